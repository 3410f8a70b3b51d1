"""Rotation, cache write and attention compiled for the CPU: one call a layer."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_math import exp, tanh
from sirius_kernels.cpu_memory import address, floats, long_integers, threads

_F = np.float32
_QUERY_BLOCK = 16  # queries of one head that share a pass over the keys


def attention(
    qkv: torch.Tensor,
    turns: torch.Tensor | None,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    rows: torch.Tensor | None,
    start: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.attention.op.attention`."""
    batch, steps, stacked, width = qkv.shape
    places, kv_heads, capacity, _ = k_cache.shape
    out = torch.empty(batch, steps, stacked - 2 * kv_heads, width)
    turns = None if turns is None else turns.contiguous()
    pairs = 0 if turns is None else turns.shape[3]
    _attention(
        address(qkv), batch, steps, stacked, width, address(turns), pairs, address(k_cache), address(v_cache), places,
        kv_heads, capacity, address(rows), address(start), scale, window or 0, softcap or 0.0, address(out),
        threads(),
    )  # fmt: skip
    return out


@njit(fastmath=True)
def _softmax(scores, softcap):  # type: ignore[no-untyped-def]
    """In place, after capping."""
    if softcap > _F(0.0):
        for s in range(scores.shape[0]):
            scores[s] = tanh(scores[s] / softcap) * softcap
    highest = scores[0]
    for s in range(scores.shape[0]):
        highest = max(highest, scores[s])
    total = _F(0.0)
    for s in range(scores.shape[0]):
        scores[s] = exp(scores[s] - highest)
        total += scores[s]
    inverse = _F(1.0) / total
    for s in range(scores.shape[0]):
        scores[s] *= inverse


@njit(fastmath=True)
def _attend_block(queries, keys, values, position, scale, window, softcap, out):  # type: ignore[no-untyped-def]
    """Queries at ``position, position + 1, …`` of one head over its keys ``[S, d]``."""
    count, width = queries.shape
    lowest = max(0, position - window + 1) if window > 0 else 0
    last = position + count
    scores = np.empty((count, last - lowest), np.float32)
    for s in range(lowest, last):
        key = keys[s]
        for i in range(count):
            query, total = queries[i], _F(0.0)
            for k in range(width):
                total += query[k] * key[k]
            scores[i, s - lowest] = total * scale
    for i in range(count):
        first = max(lowest, position + i - window + 1) if window > 0 else 0
        _softmax(scores[i, first - lowest : position + i + 1 - lowest], softcap)
        result = out[i]
        for k in range(width):
            result[k] = _F(0.0)
        for s in range(first, position + i + 1):
            weight, value = scores[i, s - lowest], values[s]
            for k in range(width):
                result[k] += weight * value[k]


@njit(parallel=True, cache=True)
def _attend(q, keys, values, rows, start, scale, window, softcap, out, threads):  # type: ignore[no-untyped-def]
    """Work items are (row, head, block of queries); threads take them in turn, so that long and short ones mix."""
    batch, steps, heads, _ = out.shape
    group = heads // keys.shape[1]
    blocks = (steps + _QUERY_BLOCK - 1) // _QUERY_BLOCK
    for part in prange(threads):
        for item in range(part, batch * heads * blocks, threads):
            row, head, block = item // (heads * blocks), item // blocks % heads, item % blocks
            low = block * _QUERY_BLOCK
            high = min(low + _QUERY_BLOCK, steps)
            place = rows[row] if rows.shape[0] else row
            _attend_block(
                q[row, low:high, head], keys[place, head // group], values[place, head // group], start[row] + low,
                scale, window, softcap, out[row, low:high, head],
            )  # fmt: skip


@njit(fastmath=True)
def _rotate_and_write(qkv, turns, pairs, keys, values, rows, start):  # type: ignore[no-untyped-def]
    batch, steps, stacked, _ = qkv.shape
    kv_heads = keys.shape[1]
    first_key, first_value = stacked - 2 * kv_heads, stacked - kv_heads
    for row in range(batch):
        place = rows[row] if rows.shape[0] else row
        for step in range(steps):
            turn, slot = (row * steps + step) * 2 * pairs, start[row] + step
            for head in range(first_value):
                _rotate(qkv[row, step, head], turns[turn : turn + 2 * pairs])
            for head in range(kv_heads):
                keys[place, head, slot] = qkv[row, step, first_key + head]
                values[place, head, slot] = qkv[row, step, first_value + head]


@njit(fastmath=True)
def _rotate(head, turns):  # type: ignore[no-untyped-def]
    """Multiply pairs of ``head`` by complex numbers, both as (real, imaginary) side by side."""
    for i in range(0, turns.shape[0], 2):
        real, imaginary = head[i], head[i + 1]
        head[i] = real * turns[i] - imaginary * turns[i + 1]
        head[i + 1] = real * turns[i + 1] + imaginary * turns[i]


@njit(f"void({', '.join(['int64'] * 14)}, float64, int64, float64, int64, int64)", cache=True)
def _attention(  # type: ignore[no-untyped-def]
    qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, scale,
    window, softcap, out, threads,
):  # fmt: skip
    """Arrays by their addresses; ``window`` and ``softcap`` 0 are off."""
    stack = floats(qkv, batch * steps * stacked * width).reshape(batch, steps, stacked, width)
    shape = (places, kv_heads, capacity, width)
    k_cache = floats(keys, places * kv_heads * capacity * width).reshape(shape)
    v_cache = floats(values, places * kv_heads * capacity * width).reshape(shape)
    numbers, starts = long_integers(rows, batch), long_integers(start, batch)
    _rotate_and_write(stack, floats(turns, batch * steps * pairs * 2), pairs, k_cache, v_cache, numbers, starts)
    heads = stacked - 2 * kv_heads
    result = floats(out, batch * steps * heads * width).reshape(batch, steps, heads, width)
    _attend(stack, k_cache, v_cache, numbers, starts, _F(scale), window, _F(softcap), result, threads)
