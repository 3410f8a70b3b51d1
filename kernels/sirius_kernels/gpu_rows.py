"""Products with whole weight rows, picked by number, on a GPU: the core of ``linear`` and of the first half of the MLP.

As on the CPU (see ``cpu_rows.py``) a *unit* is what a caller counts, an output of a linear layer or a neuron of an MLP.
It owns one weight row, or two (gate and up) that lie side by side. Rows of units that nobody picked are never read, and
every other row once for up to ``MOST_TOKENS`` tokens.
"""

from typing import Final

import torch
import triton
import triton.language as tl

from sirius_kernels import tuned
from sirius_kernels.contracts import Activation, Onto
from sirius_kernels.device import device_info
from sirius_kernels.gpu_bytes import bytes_product
from sirius_kernels.gpu_chain import chained, follow
from sirius_kernels.gpu_config import rows_config
from sirius_kernels.gpu_quant import load_weights, stored, words_of
from sirius_kernels.quant.matrix import Weight

# What happens to a unit's products before they are written.
PLAIN: Final = 0
ACTIVATE: Final = 1  # act(y); with two rows act(y0) * y1
SCALE: Final = 2  # gate * y, the gate given
ACTIVATIONS: Final[dict[Activation, int]] = {"silu": 0, "gelu_tanh": 1, "gelu": 2, "relu": 3}


@triton.jit
def activate(x, KIND: tl.constexpr):  # type: ignore[no-untyped-def]
    """An activation of fp32 ``x``, by its number in ``ACTIVATIONS``."""
    if KIND == 0:
        return x * tl.sigmoid(x)
    elif KIND == 1:
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        return 0.5 * x * (2.0 * tl.sigmoid(2.0 * inner))  # tanh(y) = 2 sigmoid(2 y) - 1
    elif KIND == 2:
        return 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    else:
        return tl.maximum(x, 0.0)


@triton.jit
def rows_kernel(  # type: ignore[no-untyped-def]
    x, weight, scales, bias, active, gate, out,
    units, depth, tokens, stride, first, neurons, scale, BITS: tl.constexpr, SHIFT: tl.constexpr,
    ROWS: tl.constexpr, MODE: tl.constexpr, KIND: tl.constexpr, BIASED: tl.constexpr, PICKED: tl.constexpr,
    ONTO: tl.constexpr, FRESH: tl.constexpr, CHAINED: tl.constexpr, OCTETS: tl.constexpr,
    BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """``out[tokens, units]`` from ``x[tokens, depth]``; unit u's rows begin at element ``u * stride + first``.

    ``bias`` is by row of the whole weight, ``gate[tokens, neurons]`` by neuron; ``active[units]`` picks neurons, and is
    ``FRESH`` if the kernel before may have written it. With ``ONTO`` the result is added to ``out``, times ``scale``.
    """
    if FRESH:
        follow(CHAINED)
    place = tl.program_id(0) * BLOCK_U + tl.arange(0, BLOCK_U)
    live = place < units
    unit = tl.load(active + place, mask=live, other=0) if PICKED else place
    begin = unit.to(tl.int64) * stride + first
    token = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    if BLOCK_N == 1 and BITS <= 8:
        y0, y1 = bytes_product(
            x, weight, scales, begin, live, depth, BITS, SHIFT, ROWS, FRESH, CHAINED, OCTETS, BLOCK_K, STAGES
        )  # fmt: skip
    elif BLOCK_N == 1:
        y0, y1 = _by_vector(x, weight, scales, begin, live, depth, ROWS, FRESH, CHAINED, BLOCK_U, BLOCK_K, STAGES)
    else:
        y0, y1 = _by_tokens(
            x, weight, scales, begin, live, token, tokens, depth, BITS, SHIFT, ROWS, FRESH, CHAINED, BLOCK_U, BLOCK_K,
            BLOCK_N, STAGES,
        )  # fmt: skip
    if BIASED:
        row = begin // depth
        y0 += tl.load(bias + row, mask=live, other=0.0).to(tl.float32)[:, None]
        if ROWS == 2:
            y1 += tl.load(bias + row + 1, mask=live, other=0.0).to(tl.float32)[:, None]
    inside = live[:, None] & (token < tokens)[None, :]
    if MODE == 1:
        y0 = activate(y0, KIND)
    if ROWS == 2:
        y0 = y0 * y1
    if MODE == 2:
        at = token.to(tl.int64)[None, :] * neurons + unit[:, None]
        y0 = y0 * tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    at = token.to(tl.int64)[None, :] * units + place[:, None]
    if ONTO:
        y0 = tl.load(out + at, mask=inside, other=0.0).to(tl.float32) + scale * y0
    tl.store(out + at, y0.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _by_vector(  # type: ignore[no-untyped-def]
    x, weight, scales, begin, live, depth, ROWS: tl.constexpr, FRESH: tl.constexpr, CHAINED: tl.constexpr,
    BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """One token: products are added up where they are made, and across the block once, at the end.

    The first weights are fetched while the kernel before still computes ``x``.
    """
    rows0, rows1 = _tile(weight, scales, begin, live, depth, 0, 16, 0, ROWS, BLOCK_K)
    if not FRESH:
        follow(CHAINED)
    values = _value(x, depth, 0, BLOCK_K)
    sum0 = rows0.to(tl.float32) * values
    sum1 = rows1.to(tl.float32) * values if ROWS == 2 else tl.zeros((BLOCK_U, 1), tl.float32)
    for k in tl.range(BLOCK_K, depth, BLOCK_K, num_stages=STAGES):
        values = _value(x, depth, k, BLOCK_K)
        rows0, rows1 = _tile(weight, scales, begin, live, depth, k, 16, 0, ROWS, BLOCK_K)
        sum0 += rows0.to(tl.float32) * values
        if ROWS == 2:
            sum1 += rows1.to(tl.float32) * values
    return tl.sum(sum0, 1)[:, None], tl.sum(sum1, 1)[:, None]


@triton.jit
def _value(x, depth, k, BLOCK_K: tl.constexpr):  # type: ignore[no-untyped-def]
    """The elements from ``k`` on of the only token, ``fp32[1, BLOCK_K]``."""
    column = k + tl.arange(0, BLOCK_K)
    return tl.load(x + column, mask=column < depth, other=0.0).to(tl.float32)[None, :]


@triton.jit
def _by_tokens(  # type: ignore[no-untyped-def]
    x, weight, scales, begin, live, token, tokens, depth, BITS: tl.constexpr, SHIFT: tl.constexpr, ROWS: tl.constexpr,
    FRESH: tl.constexpr, CHAINED: tl.constexpr,
    BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Several tokens, on the matrix units. The first weights are fetched while the kernel before still runs."""
    known = (token < tokens)[None, :]
    rows0, rows1 = _tile(weight, scales, begin, live, depth, 0, BITS, SHIFT, ROWS, BLOCK_K)
    if not FRESH:
        follow(CHAINED)
    values = _values(x, token, known, depth, 0, BLOCK_K)
    nothing = tl.zeros((BLOCK_U, BLOCK_N), tl.float32)
    sum0 = tl.dot(rows0.to(values.dtype), values, nothing, input_precision="ieee")
    sum1 = tl.dot(rows1.to(values.dtype), values, nothing, input_precision="ieee") if ROWS == 2 else nothing
    for k in tl.range(BLOCK_K, depth, BLOCK_K, num_stages=STAGES):
        values = _values(x, token, known, depth, k, BLOCK_K)
        rows0, rows1 = _tile(weight, scales, begin, live, depth, k, BITS, SHIFT, ROWS, BLOCK_K)
        sum0 = tl.dot(rows0.to(values.dtype), values, sum0, input_precision="ieee")
        if ROWS == 2:
            sum1 = tl.dot(rows1.to(values.dtype), values, sum1, input_precision="ieee")
    return sum0, sum1


@triton.jit
def _tile(  # type: ignore[no-untyped-def]
    weight, scales, begin, live, depth, k,
    BITS: tl.constexpr, SHIFT: tl.constexpr, ROWS: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """The elements from ``k`` on of the units' first rows, and of their second ones (without any the first again)."""
    start, column = begin[:, None], (k + tl.arange(0, BLOCK_K))[None, :]
    both = live[:, None] & (column < depth)
    rows0 = load_weights(weight, scales, start, column, both, BITS, SHIFT)
    rows1 = rows0
    if ROWS == 2:
        rows1 = load_weights(weight, scales, start + depth, column, both, BITS, SHIFT)
    return rows0, rows1


@triton.jit
def _values(x, token, known, depth, k, BLOCK_K: tl.constexpr):  # type: ignore[no-untyped-def]
    """The elements from ``k`` on of the tokens, as columns."""
    column = k + tl.arange(0, BLOCK_K)
    at = token.to(tl.int64)[None, :] * depth + column[:, None]
    return tl.load(x + at, mask=known & (column < depth)[:, None], other=0.0)


def rows_product(
    x: torch.Tensor,
    weight: Weight,
    bias: torch.Tensor | None,
    active: torch.Tensor | None,
    gate: torch.Tensor | None,
    *,
    stride: int,
    first: int,
    rows: int,
    neurons: int,
    mode: int,
    kind: int,
    onto: Onto | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """``x[N, K]`` times ``rows`` rows of each picked unit of ``weight``, finished by ``mode`` -> ``[N, units]``.

    Unit u's rows begin at element ``u * stride + first``; there are ``neurons`` units, of which ``active`` picks some.
    The result is of ``dtype`` (None: that of ``x``), or added ``onto`` a sum.
    """
    (tokens, depth), units = x.shape, neurons if active is None else active.shape[0]
    out = torch.empty(tokens, units, dtype=dtype or x.dtype, device=x.device) if onto is None else onto.sum
    if out.numel() == 0:
        return out
    codes, scales, bits, shift = stored(weight)
    codes = words_of(weight) if tokens == 1 else codes
    device, sizes = device_info(x.device), (units, depth, rows, tokens, x.element_size())
    usual = rows_config(*sizes, device, codes=bits <= 8)
    config = tuned.chosen("rows" if bits > 8 else f"rows of int{bits}", sizes, device.name, usual)
    grid = (triton.cdiv(units, config.units), triton.cdiv(tokens, config.tokens))
    rows_kernel[grid](
        x.contiguous(), codes, scales, codes if bias is None else bias, codes if active is None else active,
        codes if gate is None else gate.contiguous(), out, units, depth, tokens, stride, first, neurons,
        1.0 if onto is None else onto.scale, BITS=bits, SHIFT=shift, ROWS=rows, MODE=mode, KIND=kind,
        BIASED=bias is not None, PICKED=active is not None, ONTO=onto is not None,
        FRESH=active is not None and mode == SCALE, OCTETS=device.octets, BLOCK_U=config.units, BLOCK_K=config.depth,
        BLOCK_N=config.tokens, STAGES=config.stages, num_warps=config.warps, num_stages=config.stages,
        enable_fp_fusion=True, **chained(device),
    )  # fmt: skip
    return out
