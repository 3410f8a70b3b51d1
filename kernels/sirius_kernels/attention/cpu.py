"""Decode attention compiled for the CPU."""

import numba
import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_math import exp, tanh

_F = np.float32
_QUERY_BLOCK = 16  # queries of one head that share a pass over the keys


def attention(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    rows: torch.Tensor | None,
    start: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.attention.op.attention`."""
    out = torch.empty(q.shape)
    places = np.arange(q.shape[0]) if rows is None else rows.numpy()
    _attend(
        q.contiguous().numpy(),
        k_cache.numpy(),
        v_cache.numpy(),
        places,
        start.numpy(),
        _F(scale),
        window or 0,
        _F(softcap or 0.0),
        out.numpy(),
        numba.get_num_threads(),
    )
    return out


@njit(parallel=True, cache=True)
def _attend(q, keys, values, places, start, scale, window, softcap, out, threads):  # type: ignore[no-untyped-def]
    """Work items are (row, head, block of queries); threads take them in turn, so that long and short ones mix."""
    batch, steps, heads, _ = q.shape
    group = heads // keys.shape[1]
    blocks = (steps + _QUERY_BLOCK - 1) // _QUERY_BLOCK
    for part in prange(threads):
        for item in range(part, batch * heads * blocks, threads):
            row, head, block = item // (heads * blocks), item // blocks % heads, item % blocks
            low = block * _QUERY_BLOCK
            high = min(low + _QUERY_BLOCK, steps)
            place = places[row]
            queries, results = q[row, low:high, head], out[row, low:high, head]
            _attend_block(
                queries, keys[place, head // group], values[place, head // group], start[row] + low, scale, window,
                softcap, results,
            )  # fmt: skip


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
