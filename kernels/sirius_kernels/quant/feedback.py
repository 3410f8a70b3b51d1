"""Rounding to 4 bits with error feedback: what a weight loses is made up for by weights that are yet to be rounded.

After GPTQ (Frantar et al., arXiv 2210.17323, section 3). A row ``w`` is to give the same outputs for the inputs ``X``
that it meets: ``(w - w') H (w - w')^T`` is to be small, ``H = X^T X``. Weights are rounded from the first to the last.
With the upper Cholesky factor ``U`` of the inverse of ``H``, the error of weight ``j`` over ``U_jj``, times row ``j``
of ``U``, is taken off the later weights: that is the least-squares answer to it. What an error costs once it has been
answered is its square over ``U_jj^2``, and by that the scale of each group is chosen when its turn comes.
"""

from typing import Final

import torch
from torch.nn import functional

from sirius_kernels.contracts import Impl, expect_shape
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, QuantMatrix, check_depth, packed
from sirius_kernels.quant.rounding import best_scales, inverse

_DAMPING: Final = 0.05  # of the mean of H's diagonal, added to it: other texts give other inputs than those at hand
_NOTHING: Final = 1e-12  # in the place of that mean: its root and its inverse are still floats
_STRETCH: Final = 2048  # weights of a row that answer for one another; factors cost the third power of it
_ROWS: Final = 512  # at a time: what they are while others are rounded has to lie somewhere


def quantised_for(inputs: torch.Tensor, weights: torch.Tensor, group: int, impl: Impl) -> QuantMatrix:
    """``weights[..., depth]`` in 4 bits, a scale for every ``group``, best for ``inputs[T, depth]`` of whatever length.

    Raises ``ContractError`` for a bad group. ``impl`` is that of the rounding: compiled for ``numba``, else torch.
    """
    depth = weights.shape[-1]
    check_depth(depth, group)
    expect_shape("inputs", inputs, len(inputs), depth)
    if impl == "numba":
        from sirius_kernels.cpu_blas import blas_threads

        with blas_threads():
            return _quantised_for(inputs, weights, group, impl)
    return _quantised_for(inputs, weights, group, impl)


def _quantised_for(inputs: torch.Tensor, weights: torch.Tensor, group: int, impl: Impl) -> QuantMatrix:
    depth = weights.shape[-1]
    # Models give some tokens (the first one, marks) inputs a thousand times as large, which would be all that counts.
    alike = functional.normalize(inputs.float(), dim=1)
    rows = weights.reshape(-1, depth)
    codes = torch.empty(rows.shape, dtype=torch.int8, device=rows.device)
    scales = torch.empty(len(rows), depth // group, dtype=torch.bfloat16, device=rows.device)
    for first in range(0, depth, _STRETCH):
        columns = slice(first, first + _STRETCH)
        factor = _factor(alike[:, columns])
        for part in (slice(row, row + _ROWS) for row in range(0, len(rows), _ROWS)):
            left = rows[part, columns].to(torch.float32, copy=True)
            groups = slice(first // group, (first + _STRETCH) // group)
            _round_stretch(left, factor, codes[part, columns], scales[part, groups], group, impl)
    shape = (*weights.shape[:-1], depth // group)
    return packed(codes.view(weights.shape), scales.view(shape), 4, group)


def _factor(inputs: torch.Tensor) -> torch.Tensor:
    """``U[depth, depth]`` of ``inputs[T, depth]``."""
    moments = inputs.t() @ inputs
    diagonal = moments.diagonal()
    # An input that is always zero has weights that do not matter; it must not make H singular, nor must all of them.
    diagonal.add_(_DAMPING * diagonal.mean().clamp_min(_NOTHING))
    inverted = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    factor: torch.Tensor = torch.linalg.cholesky(inverted, upper=True)
    return factor.contiguous()


def _round_stretch(
    left: torch.Tensor, factor: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor, group: int, impl: Impl
) -> None:
    """Fill ``codes[N, depth]`` and ``scales[N, depth / group]``; ``left[N, depth]``, the weights, is used up."""
    importance = factor.diagonal().square().reciprocal()
    for number in range(scales.shape[1]):
        here, behind = slice(number * group, (number + 1) * group), slice((number + 1) * group, None)
        scales[:, number] = best_scales(left[:, here], 4, importance[here], impl=impl).bfloat16()
        errors = _round_group(left[:, here], factor[here, here], scales[:, number].float(), codes[:, here], impl)
        left[:, behind].addmm_(errors, factor[here, behind], alpha=-1.0)


def _round_group(
    left: torch.Tensor, factor: torch.Tensor, scales: torch.Tensor, codes: torch.Tensor, impl: Impl
) -> torch.Tensor:
    """Round ``left[N, group]`` by ``scales[N]`` into ``codes``. Gives the errors, each over its ``U_jj``."""
    if impl == "numba":
        from sirius_kernels.quant import cpu

        return cpu.round_group(left, factor, scales, codes)
    errors = torch.empty_like(left)
    inverses = inverse(scales)
    for column in range(left.shape[1]):
        codes[:, column] = rounded = (left[:, column] * inverses).round_().clamp_(LOWEST[4], HIGHEST[4])
        errors[:, column] = error = (left[:, column] - rounded * scales) / factor[column, column]
        left[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    return errors
