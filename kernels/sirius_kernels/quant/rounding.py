"""From weights to codes: each group gets the scale that loses least.

Rounding to the nearest code minimises the error of one scale; the scale itself is searched for. For given codes the
best scale is a least-squares fit, ``<w, c> / <c, c>``, and leaves ``<w, w> - <w, c>^2 / <c, c>`` of squared error; so
among candidate scales the one with the largest ``<w, c>^2 / <c, c>`` wins. Where inputs are uncorrelated and alike,
squared error of weights is squared error of outputs; where it is known how much each weight matters, products are
weighted by that.
"""

from typing import Final

import torch

from sirius_kernels.contracts import Impl
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, SHARING, Bits, QuantMatrix, check_depth, packed

# Around the scale that puts the group's largest weight at the end of the range: smaller ones cut that weight off and
# tell the others better apart. Finer or wider than this gains nothing that can be measured on 4-bit rows.
_STRETCHES: Final = {4: tuple(1.0 + 0.06 * step for step in range(-2, 7)), 8: (1.0,)}
_CHUNK: Final = 1 << 18  # weights at a time: what the caches hold


def quantised(weights: torch.Tensor, bits: Bits, group: int, impl: Impl = "torch") -> QuantMatrix:
    """``weights[..., depth]`` in ``bits``, a scale for every ``group``. Raises ``ContractError`` for a bad group.

    ``impl`` is that of the search: compiled for ``numba``, else torch.
    """
    check_depth(weights.shape[-1], group)
    grouped = weights.reshape(-1, group)
    codes = torch.empty(grouped.shape, dtype=torch.int8, device=weights.device)
    scales = torch.empty(len(grouped), dtype=torch.bfloat16, device=weights.device)
    rows = max(1, _CHUNK // group)
    for first in range(0, len(grouped), rows):
        part = slice(first, first + rows)
        scales[part] = best_scales(grouped[part].float(), bits, impl=impl).bfloat16()
        codes[part] = _rounded(grouped[part].float(), inverse(scales[part].float()), bits)
    shape = (*weights.shape[:-1], weights.shape[-1] // group)
    return packed(codes.view(weights.shape), scales.view(shape), bits, group)


def relative_error(weights: torch.Tensor, matrix: QuantMatrix) -> float:
    """Root of the squared error over the squared weights: how much of the matrix rounding took."""
    lost = (weights.float() - matrix.dequantised(torch.float32)).square().sum()
    return float((lost / weights.float().square().sum().clamp_min(torch.finfo(torch.float32).tiny)).sqrt())


def output_error(inputs: torch.Tensor, weights: torch.Tensor, rounded: torch.Tensor) -> float:
    """As :func:`relative_error`, of the products of ``inputs[T, depth]`` with ``weights[N, depth]``, which are
    ``rounded`` in a copy."""
    lost, whole = ((inputs.float() @ rows.float().t()).norm() for rows in (weights - rounded, weights))
    return float(lost / whole.clamp_min(torch.finfo(torch.float32).tiny))


def rounded_activations(x: torch.Tensor) -> torch.Tensor:
    """``x[..., depth]`` in signed bytes, every :data:`SHARING` with a scale of their own, as numbers again.

    What products with codes take for their activations where a processor multiplies bytes, and on a GPU for one token;
    ties go away from zero (on a GPU to even).
    """
    grouped = x.view(*x.shape[:-1], -1, SHARING)
    largest = grouped.abs().amax(-1, keepdim=True)
    codes = grouped * torch.where(largest > 0, HIGHEST[8] / largest, 0.0)
    return ((codes + 0.5 * codes.sign()).trunc() * (largest / HIGHEST[8])).view(x.shape)


def best_scales(
    grouped: torch.Tensor, bits: Bits, importance: torch.Tensor | None = None, *, impl: Impl
) -> torch.Tensor:
    """``fp32[N, group]`` -> the scale ``[N]`` of each group; ``importance[group]`` weighs squared errors."""
    if impl == "numba":
        from sirius_kernels.quant import cpu

        return cpu.best_scales(grouped, bits, _STRETCHES[bits], importance)
    largest = grouped.gather(1, grouped.abs().argmax(1, keepdim=True)).squeeze(1)
    widest = inverse(largest) * LOWEST[bits]  # 4-bit codes reach one further below zero: the largest weight goes there
    best, scales = torch.full_like(largest, -1.0), torch.zeros_like(largest)
    for stretch in _STRETCHES[bits]:
        codes = _rounded(grouped, widest * stretch, bits)
        weighted = codes if importance is None else codes * importance
        fit, size = (grouped * weighted).sum(1), (codes * weighted).sum(1)
        gain = fit.square() * inverse(size)
        better = gain > best
        best, scales = torch.where(better, gain, best), torch.where(better, fit * inverse(size), scales)
    return scales


def inverse(values: torch.Tensor) -> torch.Tensor:
    """1 over each value; 0 for 0."""
    return torch.where(values == 0, 0.0, 1.0 / values)


def _rounded(grouped: torch.Tensor, inverses: torch.Tensor, bits: Bits) -> torch.Tensor:
    return (grouped * inverses[:, None]).round_().clamp_(LOWEST[bits], HIGHEST[bits])
