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
from sirius_kernels.contracts import Activation
from sirius_kernels.device import device_info
from sirius_kernels.gpu_config import rows_config
from sirius_kernels.gpu_quant import load_weights, stored
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
    units, depth, tokens, stride, first, neurons, BITS: tl.constexpr, SHIFT: tl.constexpr,
    ROWS: tl.constexpr, MODE: tl.constexpr, KIND: tl.constexpr, BIASED: tl.constexpr, PICKED: tl.constexpr,
    BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """``out[tokens, units]`` from ``x[tokens, depth]``; unit u's rows begin at element ``u * stride + first``.

    ``bias`` is by row of the whole weight, ``gate[tokens, neurons]`` by neuron; ``active[units]`` picks neurons.
    """
    place = tl.program_id(0) * BLOCK_U + tl.arange(0, BLOCK_U)
    live = place < units
    unit = tl.load(active + place, mask=live, other=0) if PICKED else place
    begin = unit.to(tl.int64) * stride + first
    token = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    if BLOCK_N == 1:
        y0, y1 = _by_vector(x, weight, scales, begin, live, depth, BITS, SHIFT, ROWS, BLOCK_U, BLOCK_K)
    else:
        y0, y1 = _by_tokens(
            x, weight, scales, begin, live, token, tokens, depth, BITS, SHIFT, ROWS, BLOCK_U, BLOCK_K, BLOCK_N
        )
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
    tl.store(out + at, y0.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _by_vector(  # type: ignore[no-untyped-def]
    x, weight, scales, begin, live, depth,
    BITS: tl.constexpr, SHIFT: tl.constexpr, ROWS: tl.constexpr, BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """One token: products are added up where they are made, and across the block once, at the end."""
    sum0 = tl.zeros((BLOCK_U, BLOCK_K), tl.float32)
    sum1 = tl.zeros((BLOCK_U, BLOCK_K), tl.float32)
    for k in range(0, depth, BLOCK_K):
        column = k + tl.arange(0, BLOCK_K)
        inside = column < depth
        values = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)[None, :]
        start, places = begin[:, None], column[None, :]
        both = live[:, None] & inside[None, :]
        sum0 += load_weights(weight, scales, start, places, both, BITS, SHIFT).to(tl.float32) * values
        if ROWS == 2:
            sum1 += load_weights(weight, scales, start + depth, places, both, BITS, SHIFT).to(tl.float32) * values
    return tl.sum(sum0, 1)[:, None], tl.sum(sum1, 1)[:, None]


@triton.jit
def _by_tokens(  # type: ignore[no-untyped-def]
    x, weight, scales, begin, live, token, tokens, depth, BITS: tl.constexpr, SHIFT: tl.constexpr,
    ROWS: tl.constexpr, BLOCK_U: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Several tokens, on the matrix units."""
    sum0 = tl.zeros((BLOCK_U, BLOCK_N), tl.float32)
    sum1 = tl.zeros((BLOCK_U, BLOCK_N), tl.float32)
    known = (token < tokens)[None, :]
    for k in range(0, depth, BLOCK_K):
        column = k + tl.arange(0, BLOCK_K)
        inside = column < depth
        values = tl.load(
            x + token.to(tl.int64)[None, :] * depth + column[:, None], mask=known & inside[:, None], other=0.0
        )
        start, places = begin[:, None], column[None, :]
        both = live[:, None] & inside[None, :]
        rows = load_weights(weight, scales, start, places, both, BITS, SHIFT).to(values.dtype)
        sum0 = tl.dot(rows, values, sum0, input_precision="ieee")
        if ROWS == 2:
            rows = load_weights(weight, scales, start + depth, places, both, BITS, SHIFT).to(values.dtype)
            sum1 = tl.dot(rows, values, sum1, input_precision="ieee")
    return sum0, sum1


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
) -> torch.Tensor:
    """``x[N, K]`` times ``rows`` rows of each picked unit of ``weight``, finished by ``mode`` -> ``[N, units]``.

    Unit u's rows begin at element ``u * stride + first``; there are ``neurons`` units, of which ``active`` picks some.
    """
    (tokens, depth), units = x.shape, neurons if active is None else active.shape[0]
    out = torch.empty(tokens, units, dtype=x.dtype, device=x.device)
    if out.numel() == 0:
        return out
    codes, scales, bits, shift = stored(weight)
    device, sizes = device_info(x.device), (units, depth, rows, tokens, x.element_size())
    usual = rows_config(*sizes, device, codes=bits <= 8)
    config = usual if bits <= 8 else tuned.chosen("rows", sizes, device.name, usual)
    grid = (triton.cdiv(units, config.units), triton.cdiv(tokens, config.tokens))
    rows_kernel[grid](
        x.contiguous(), codes, scales, codes if bias is None else bias, codes if active is None else active,
        codes if gate is None else gate.contiguous(), out, units, depth, tokens, stride, first, neurons, BITS=bits,
        SHIFT=shift, ROWS=rows, MODE=mode, KIND=kind, BIASED=bias is not None, PICKED=active is not None,
        BLOCK_U=config.units, BLOCK_K=config.depth, BLOCK_N=config.tokens,
        num_warps=config.warps, num_stages=config.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out
