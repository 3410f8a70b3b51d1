"""The two halves of a neuron-sparse MLP compiled for the CPU."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.contracts import Activation
from sirius_kernels.cpu_memory import address, floats, integers, threads
from sirius_kernels.cpu_rows import ACTIVATE, ACTIVATIONS, SCALE, rows_product
from sirius_kernels.cpu_tile import LANES, make_tile

_DEPTH_BLOCK = 128  # neurons whose lines of 16 columns serve every group of tokens before the next columns come
_WIDTH = 2 * LANES
_tile_4x2 = make_tile(4, 2, prefetch="b")
_tile_1x2 = make_tile(1, 2, prefetch="b")


def mlp_hidden(
    x: torch.Tensor,
    gate_up: torch.Tensor,
    bias: torch.Tensor | None,
    activation: Activation,
    active: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
    return _rows(x, gate_up, bias, active, 0, gate_up.shape[1], ACTIVATE, ACTIVATIONS[activation], None)


def mlp_gate(x: torch.Tensor, gate_up: torch.Tensor, bias: torch.Tensor | None, activation: Activation) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
    return _rows(x, gate_up, bias, None, 0, 1, ACTIVATE, ACTIVATIONS[activation], None)


def mlp_up(
    x: torch.Tensor, gate: torch.Tensor, gate_up: torch.Tensor, bias: torch.Tensor | None, active: torch.Tensor
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_up`."""
    if gate_up.shape[1] == 1:
        return gate[:, active]
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
    (tokens, picked), (neurons, width) = hidden.shape, down_t.shape
    hidden, out = hidden.contiguous(), torch.zeros(tokens, width)
    if picked > 0:
        _down_product(
            address(down_t), neurons, width, address(active), address(hidden), picked, tokens, address(out), threads()
        )
    return out if bias is None else out.add_(bias)


@njit(inline="always", error_model="numpy")
def _neuron(active, j):  # type: ignore[no-untyped-def]
    return np.int64(active[j]) if active.shape[0] > 0 else j


@njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _down_by_vector(hidden, down_t, active, out, threads):  # type: ignore[no-untyped-def]
    """One token: each thread adds up its share of the neurons, four rows at a time, then the shares are summed."""
    neurons, width = hidden.shape[0], down_t.shape[1]
    shares = np.zeros((threads, width), np.float32)
    for part in prange(threads):
        low, high = part * neurons // threads, (part + 1) * neurons // threads
        share = shares[part]
        whole = low + (high - low) // 4 * 4
        for j in range(low, whole, 4):
            a, b = down_t[_neuron(active, j)], down_t[_neuron(active, j + 1)]
            c, d = down_t[_neuron(active, j + 2)], down_t[_neuron(active, j + 3)]
            h0, h1, h2, h3 = hidden[j], hidden[j + 1], hidden[j + 2], hidden[j + 3]
            for k in range(width):
                share[k] += h0 * a[k] + h1 * b[k] + h2 * c[k] + h3 * d[k]
        for j in range(whole, high):
            row = down_t[_neuron(active, j)]
            for k in range(width):
                share[k] += hidden[j] * row[k]
    for part in range(threads):
        for k in range(width):
            out[k] += shares[part, k]


@njit
def _down_block(hidden, down_t, active, out, starts, base, depth, low, high):  # type: ignore[no-untyped-def]
    """Add ``depth`` neurons from ``base`` to the columns ``low:high`` of every token."""
    tokens, width = hidden.shape[0], down_t.shape[1]
    a, b, target = hidden.reshape(-1), down_t.reshape(-1), out.reshape(-1)
    gathered = active.shape[0] > 0
    rows = active[base : base + depth] if gathered else active
    shifted = starts + base
    for column in range(low, high, _WIDTH):
        b_from = column if gathered else base * width + column
        token = 0
        while token + 4 <= tokens:
            at = token * width + column
            _tile_4x2(a, shifted, token, b, rows, b_from, width, target, at, width, depth, True, _WIDTH)
            token += 4
        while token < tokens:
            at = token * width + column
            _tile_1x2(a, shifted, token, b, rows, b_from, width, target, at, width, depth, True, _WIDTH)
            token += 1


@njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _down_by_tokens(hidden, down_t, active, out, threads):  # type: ignore[no-untyped-def]
    """Several tokens: each thread owns a range of output columns, so nothing is summed twice."""
    (tokens, neurons), width = hidden.shape, down_t.shape[1]
    columns = width // _WIDTH
    starts = np.arange(tokens) * neurons
    for part in prange(threads):
        low, high = part * columns // threads * _WIDTH, (part + 1) * columns // threads * _WIDTH
        for base in range(0, neurons, _DEPTH_BLOCK):
            _down_block(hidden, down_t, active, out, starts, base, min(_DEPTH_BLOCK, neurons - base), low, high)
    for token in range(tokens):
        for j in range(neurons if columns * _WIDTH < width else 0):
            row = down_t[_neuron(active, j)]
            for k in range(columns * _WIDTH, width):
                out[token, k] += hidden[token, j] * row[k]


@njit("void(" + ", ".join(["int64"] * 9) + ")", cache=True)
def _down_product(down_t, neurons, width, active, hidden, picked, tokens, out, threads):  # type: ignore[no-untyped-def]
    """Add ``hidden[tokens, picked] @ down_t[active]`` to ``out[tokens, width]``; arrays by their addresses."""
    weights, numbers = floats(down_t, neurons * width).reshape(neurons, width), integers(active, picked)
    if tokens == 1:
        _down_by_vector(floats(hidden, picked), weights, numbers, floats(out, width), threads)
    else:
        rows = floats(hidden, tokens * picked).reshape(tokens, picked)
        _down_by_tokens(rows, weights, numbers, floats(out, tokens * width).reshape(tokens, width), threads)
