"""The two halves of a neuron-sparse MLP compiled for the CPU."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.contracts import Activation
from sirius_kernels.cpu_blas import MANY_TOKENS, blas_threads
from sirius_kernels.cpu_llvm import LANES
from sirius_kernels.cpu_memory import address, floats, integers, threads
from sirius_kernels.cpu_rows import ACTIVATE, ACTIVATIONS, SCALE, pack, rows_product, unit
from sirius_kernels.cpu_stream import ADD_COLUMNS, ADD_ROWS, add_rows
from sirius_kernels.mlp import reference

_F = np.float32
_DEPTH_BLOCK = 256  # neurons whose weights serve every group of tokens, from the L2 cache, before the next come
_SUMS = 4096  # of a group of tokens that a block of columns may have: what the L1 cache holds beside the weights


def mlp_hidden(
    x: torch.Tensor,
    gate_up: torch.Tensor,
    bias: torch.Tensor | None,
    activation: Activation,
    active: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
    if x.shape[0] >= MANY_TOKENS and active is None:
        with blas_threads():
            return reference.mlp_hidden(x, gate_up, bias, activation, active)
    return _rows(x, gate_up, bias, active, 0, gate_up.shape[1], ACTIVATE, ACTIVATIONS[activation], None)


def mlp_gate(x: torch.Tensor, gate_up: torch.Tensor, bias: torch.Tensor | None, activation: Activation) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
    if x.shape[0] >= MANY_TOKENS:
        with blas_threads():
            return reference.mlp_gate(x, gate_up, bias, activation)
    return _rows(x, gate_up, bias, None, 0, 1, ACTIVATE, ACTIVATIONS[activation], None)


def mlp_up(
    x: torch.Tensor, gate: torch.Tensor, gate_up: torch.Tensor, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_up`."""
    many = x.shape[0] >= MANY_TOKENS and active is None
    if many or gate_up.shape[1] == 1:
        with blas_threads():
            return reference.mlp_up(x, gate, gate_up, bias, active)
    return _rows(x, gate_up, bias, active, gate_up.shape[2], 1, SCALE, 0, gate.contiguous())


def _rows(
    x: torch.Tensor,
    gate_up: torch.Tensor,
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
            address(gate_up), gate_up.numel(), projections * depth, first, rows, depth, units, address(active),
            address(bias), neurons * projections, address(gate), neurons, mode, kind, address(x), tokens,
            address(out), threads(),
        )  # fmt: skip
    return out


def mlp_down(
    hidden: torch.Tensor, down_t: torch.Tensor, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_down`."""
    if hidden.shape[0] >= MANY_TOKENS and active is None:
        with blas_threads():
            return reference.mlp_down(hidden, down_t, bias, active)
    (tokens, picked), (neurons, width) = hidden.shape, down_t.shape
    hidden, out = hidden.contiguous(), torch.zeros(tokens, width)
    if picked > 0:
        _down_product(
            address(down_t), neurons, width, address(active), address(hidden), picked, tokens, address(out), threads()
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
        add_rows(rows, at, j, low, columns, scales, scale_at + j * lanes, lanes, tokens, sums, 0, step)
    for token in range(tokens if low + columns < high else 0):
        for j in range(base, base + depth):
            for k in range(columns, high - low):
                sums[token * step + k] += scales[scale_at + j * lanes + token] * rows[at[j] + low + k]


@njit(fastmath=True, error_model="numpy")
def _add_range(rows, at, top, bottom, scales, out):  # type: ignore[no-untyped-def]
    """Add the rows ``top:bottom``, scaled by ``scales[groups, A, lanes]``, to ``out``."""
    (groups, picked, lanes), (tokens, width) = scales.shape, out.shape
    factors = scales.reshape(-1)
    together = min(tokens, lanes)
    columns = min(_SUMS // together // ADD_COLUMNS * ADD_COLUMNS, width)
    step = columns + ADD_COLUMNS  # not a power of two, so that tokens do not compete for places in the cache
    sums = np.empty(together * step, np.float32)
    for base in range(top, bottom, _DEPTH_BLOCK):
        depth = min(_DEPTH_BLOCK, bottom - base)
        for left in range(0, width, columns):
            right = min(width, left + columns)
            for group in range(groups):
                first, count = group * lanes, min(lanes, tokens - group * lanes)
                _add_block(rows, at, base, depth, left, right, factors, first * picked, lanes, count, sums, step)
                for token in range(count):
                    for k in range(right - left):
                        out[first + token, left + k] += sums[token * step + k]


@njit(parallel=True, cache=True, error_model="numpy")
def _add_all(rows, at, scales, out, threads):  # type: ignore[no-untyped-def]
    """``out[N, D]`` += ``scales[groups, A, lanes]`` times the rows at ``at``.

    Each thread adds up its share of the rows, and the shares are summed in order.
    """
    (tokens, width), quads = out.shape, scales.shape[1] // ADD_ROWS
    shares = np.zeros((threads, tokens, width), np.float32)
    for part in prange(threads):
        top, bottom = part * quads // threads * ADD_ROWS, (part + 1) * quads // threads * ADD_ROWS
        _add_range(rows, at, top, bottom, scales, shares[part])
    for part in range(threads):
        for token in range(tokens):
            for k in range(width):
                out[token, k] += shares[part, token, k]


@njit("void(" + ", ".join(["int64"] * 9) + ")", cache=True)
def _down_product(down_t, neurons, width, active, hidden, picked, tokens, out, threads):  # type: ignore[no-untyped-def]
    """Add ``hidden[tokens, picked] @ down_t[active]`` to ``out[tokens, width]``; arrays by their addresses."""
    padded = (picked + ADD_ROWS - 1) // ADD_ROWS * ADD_ROWS
    at = _offsets(integers(active, picked), picked, padded + ADD_ROWS, width)
    x = floats(hidden, tokens * picked).reshape(tokens, picked)
    scales = pack(x, 1 if tokens == 1 else 2 * LANES, padded, threads)
    _add_all(floats(down_t, neurons * width), at, scales, floats(out, tokens * width).reshape(tokens, width), threads)
