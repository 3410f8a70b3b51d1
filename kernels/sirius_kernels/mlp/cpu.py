"""The two halves of a neuron-sparse MLP compiled for the CPU."""

import math

import numpy as np
import torch
from numba import njit

from sirius_kernels.contracts import Activation
from sirius_kernels.cpu_blas import blas_threads, left_to_blas
from sirius_kernels.cpu_llvm import FP32
from sirius_kernels.cpu_memory import address, address_of, floats, hold, integers, threads
from sirius_kernels.cpu_parts import apart, in_parts, named_part, together
from sirius_kernels.cpu_quant import HALF, NATIVE, add_block, bits_of, in_logical_order, stored, unpack_rows
from sirius_kernels.cpu_quant import add_rows as add_quant_rows
from sirius_kernels.cpu_rows import ACTIVATE, ACTIVATIONS, SCALE, pack, rows_product, unit
from sirius_kernels.cpu_stream import ADD_COLUMNS, ADD_ROWS, add_rows
from sirius_kernels.cpu_tile import TOKENS
from sirius_kernels.mlp import reference
from sirius_kernels.quant.matrix import QuantMatrix, Weight

_F = np.float32
_ADDRESS, _NUMBER = 8, 4  # bytes
_DEPTH_BLOCK = 256  # neurons whose weights serve every group of tokens, from the L2 cache, before the next come
_UNPACKED_ROWS = 64  # rows of codes that are fp32 at a time, in the L2 cache
_SUMS = 4096  # of a group of tokens that a block of columns may have: what the L1 cache holds beside the weights


def mlp_hidden(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None,
    activation: Activation,
    active: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
    if _for_blas(x, gate_up, active):
        with blas_threads():
            return reference.mlp_hidden(x, gate_up, bias, activation, active)
    return _rows(x, gate_up, bias, active, 0, gate_up.shape[1], ACTIVATE, ACTIVATIONS[activation], None)


def mlp_gate(x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, activation: Activation) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
    if _for_blas(x, gate_up, None):
        with blas_threads():
            return reference.mlp_gate(x, gate_up, bias, activation)
    return _rows(x, gate_up, bias, None, 0, 1, ACTIVATE, ACTIVATIONS[activation], None)


def mlp_up(
    x: torch.Tensor, gate: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_up`."""
    if gate_up.shape[1] == 1 or _for_blas(x, gate_up, active):
        with blas_threads():
            return reference.mlp_up(x, gate, gate_up, bias, active)
    return _rows(x, gate_up, bias, active, gate_up.shape[2], 1, SCALE, 0, gate.contiguous())


def _for_blas(x: torch.Tensor, weight: Weight, active: torch.Tensor | None) -> bool:
    return left_to_blas(x.shape[0]) and active is None and not isinstance(weight, QuantMatrix)


def _rows(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None,
    active: torch.Tensor | None,
    first: int,
    rows: int,
    mode: int,
    kind: int,
    gate: torch.Tensor | None,
) -> torch.Tensor:
    """``rows`` rows of each active neuron, from its element ``first`` on, times ``x``; finished by ``mode``."""
    tokens, (neurons, projections, depth) = x.shape[0], gate_up.shape
    units = neurons if active is None else active.shape[0]
    x, out = x.contiguous(), torch.empty(tokens, units)
    if units > 0:
        rows_product(
            *stored(gate_up), math.prod(gate_up.shape), projections * depth, first, rows, depth, units, address(active),
            address(bias), neurons * projections, address(gate), neurons, mode, kind, address(x), tokens,
            address(out), threads(),
        )  # fmt: skip
    return out


def mlp_down(
    hidden: torch.Tensor, down_t: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_down`."""
    if _for_blas(hidden, down_t, active):
        with blas_threads():
            return reference.mlp_down(hidden, down_t, bias, active)
    (tokens, picked), (neurons, width) = hidden.shape, down_t.shape
    hidden, out = hidden.contiguous(), torch.zeros(tokens, width)
    if picked > 0:
        down_product(
            *stored(down_t), neurons, width, address(active), address(hidden), picked, tokens, address(out), threads()
        )
    return out if bias is None else out.add_(bias)


@njit
def _offsets(active, picked, padded, width):  # type: ignore[no-untyped-def]
    """Where the picked rows begin; beyond the last one, the last one again."""
    at = np.empty(padded, np.int64)
    for j in range(padded):
        at[j] = unit(active, min(j, picked - 1)) * width
    return at


@njit(error_model="numpy")
def _add_block(rows, at, base, depth, low, high, scales, scale_at, lanes, tokens, sums, step):  # type: ignore[no-untyped-def]
    """``sums[tokens, step]`` = columns ``low:high`` of the rows ``base … base + depth - 1``, scaled."""
    columns = (high - low) // ADD_COLUMNS * ADD_COLUMNS
    sums[: tokens * step] = _F(0.0)
    for j in range(base, base + depth, ADD_ROWS):
        add_rows(FP32, rows, at, j, low, columns, scales, scale_at + j * lanes, lanes, tokens, sums, 0, step)
    for token in range(tokens if low + columns < high else 0):
        for j in range(base, base + depth):
            for k in range(columns, high - low):
                sums[token * step + k] += scales[scale_at + j * lanes + token] * rows[at[j] + low + k]


@njit(fastmath=True, error_model="numpy")
def _add_range(store, neurons, at, top, bottom, scales, out):  # type: ignore[no-untyped-def]
    """Add the rows ``top:bottom``, scaled by ``scales[groups, A, lanes]``, to ``out[tokens, width]``."""
    (groups, picked, lanes), (tokens, width) = scales.shape, out.shape
    factors = scales.reshape(-1)
    together = min(tokens, lanes)
    columns = min(_SUMS // together // ADD_COLUMNS * ADD_COLUMNS, width)
    step = columns + ADD_COLUMNS  # not a power of two, so that tokens do not compete for places in the cache
    sums = np.empty(together * step, np.float32)
    bits = bits_of(store[2])
    codes = bits < HALF
    most = _UNPACKED_ROWS if codes else _DEPTH_BLOCK
    unpacked, places = np.empty(most * width if codes else 0, np.float32), np.empty(len(at) if codes else 0, np.int64)
    rows, row_at = (unpacked, places) if codes else (floats(store[0], neurons * width if bits == NATIVE else 0), at)
    for base in range(top, bottom, most):
        depth = min(most, bottom - base)
        if codes:
            unpack_rows(store, at[base:], depth, width, unpacked)
            for j in range(depth + ADD_ROWS):
                places[base + j] = j * width
        for left in range(0, width, columns):
            right = min(width, left + columns)
            for group in range(groups):
                first, count = group * lanes, min(lanes, tokens - group * lanes)
                if bits == HALF:
                    sums[: count * step] = _F(0.0)
                    factor = address_of(factors) + (first * picked + base * lanes) * _NUMBER
                    add_block(
                        store, address_of(at) + base * _ADDRESS, depth, left, right - left, factor, lanes, count,
                        address_of(sums), step,
                    )  # fmt: skip
                else:
                    _add_block(
                        rows, row_at, base, depth, left, right, factors, first * picked, lanes, count, sums, step
                    )  # fmt: skip
                for token in range(count):
                    for k in range(right - left):
                        out[first + token, left + k] += sums[token * step + k]
    hold(factors)
    hold(sums)
    hold(at)


@named_part(error_model="numpy")
def _add_share(arguments, part, parts):  # type: ignore[no-untyped-def]
    """A share of the rows times ``scales[groups, padded, lanes]``: into ``shares[parts, tokens, width]``."""
    (
        down_t, code_scales, format, neurons, width, active, picked, padded, tokens, packed, lanes, shares,
    ) = apart(arguments, 12)  # fmt: skip
    store, groups = (down_t, code_scales, format), (tokens + lanes - 1) // lanes
    at, scales = (
        _offsets(integers(active, picked), picked, padded + ADD_ROWS, width),
        floats(packed, groups * padded * lanes),
    )
    rounds, total = padded // ADD_ROWS, tokens * width
    share = floats(shares, parts * total)[part * total : (part + 1) * total]
    share[:] = _F(0.0)
    top, bottom = part * rounds // parts * ADD_ROWS, (part + 1) * rounds // parts * ADD_ROWS
    if bits_of(format) != NATIVE and tokens == 1:
        add_quant_rows(store, at[top:], bottom - top, scales[top:], share)
    else:
        _add_range(store, neurons, at, top, bottom, scales.reshape(groups, padded, lanes), share.reshape(tokens, width))


@named_part()
def _add_up(arguments, part, parts):  # type: ignore[no-untyped-def]
    """Some tokens' ``out[width]`` += their ``shares[count]``, in order."""
    shares, count, tokens, width, bits, out = apart(arguments, 6)
    values, results = floats(shares, count * tokens * width), floats(out, tokens * width)
    for token in range(part * tokens // parts, (part + 1) * tokens // parts):
        result = results[token * width : (token + 1) * width]
        for number in range(count):
            first = (number * tokens + token) * width
            share = values[first : first + width]
            if bits == 4:
                in_logical_order(share, result)
                continue
            for k in range(width):
                result[k] += share[k]


@njit("void(" + ", ".join(["int64"] * 11) + ")", cache=True)
def down_product(down_t, code_scales, format, neurons, width, active, hidden, picked, tokens, out, threads):  # type: ignore[no-untyped-def]
    """Add ``hidden[tokens, picked] @ down_t[active]`` to ``out[tokens, width]``; arrays by their addresses.

    Each thread adds up its share of the rows, and the shares are summed in order.
    """
    padded, lanes = (picked + ADD_ROWS - 1) // ADD_ROWS * ADD_ROWS, 1 if tokens == 1 else TOKENS
    scales, shares = (
        pack(hidden, tokens, picked, lanes, padded, threads),
        np.empty(threads * tokens * width, np.float32),
    )
    arguments = together((
        down_t, code_scales, format, neurons, width, active, picked, padded, tokens, address_of(scales), lanes,
        address_of(shares),
    ))  # fmt: skip
    in_parts(_add_share(), arguments, threads)
    summing = together((address_of(shares), threads, tokens, width, bits_of(format), out))
    in_parts(_add_up(), summing, min(threads, tokens))
    hold(scales)
    hold(shares)
