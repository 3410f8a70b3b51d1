"""Attention over a tree of tokens, compiled for the CPU: all slots are multiplied, those off a token's path are hidden.

A tree is short beside the text before it, so what is multiplied in vain costs next to nothing.
"""

import numpy as np
from numba import njit, prange

from sirius_kernels.attention.cpu import (
    LOWEST,
    QUERY_BLOCK,
    mix_values,
    multiply_keys,
    pack_queries,
    rotate_and_write,
    softmax,
)
from sirius_kernels.cpu_math import tanh
from sirius_kernels.cpu_memory import floats, integers, long_integers
from sirius_kernels.cpu_tile import LANES, MOST_ROWS, TOKENS

_F = np.float32


@njit
def _depth(path):  # type: ignore[no-untyped-def]
    """How many nodes are above the one that ``path`` ends with."""
    depth = path.shape[0] - 1
    while path[depth] < 0:
        depth -= 1
    return depth


@njit
def _hide(scores, lanes, lane, lowest, root, end, path, window):  # type: ignore[no-untyped-def]
    """Give ``LOWEST`` to the slots ``lowest .. end`` that the token with ``path`` does not see."""
    first = root + _depth(path) - window + 1 if window > 0 else 0
    for slot in range(lowest, min(first, root)):
        scores[(slot - lowest) * lanes + lane] = LOWEST
    seen = np.zeros(end - root, np.uint8)
    for depth in range(_depth(path) + 1):
        if root + depth >= first:
            seen[path[depth]] = 1
    for node in range(end - root):
        if not seen[node]:
            scores[(root + node - lowest) * lanes + lane] = LOWEST


@njit(error_model="numpy")
def _attend_block(stack, keys, values, base, row, head, group, first, count, begin, tree, scale, window, softcap, out):  # type: ignore[no-untyped-def]
    """``count`` queries from query ``first`` on of one key head, whose keys begin at element ``base``."""
    steps, width = stack.shape[1], stack.shape[3]
    lanes = LANES if count <= LANES else TOKENS
    root, end = begin - tree[0, _depth(tree[0])], begin + steps
    lowest = max(root - window + 1, 0) if window > 0 else 0  # what the root sees: others are further down
    seen = end - lowest
    start = base + lowest * width
    packed, scores = np.empty(width * lanes, np.float32), np.empty(seen * lanes, np.float32)
    pack_queries(stack, row, head, group, first, count, lanes, scale, packed)
    multiply_keys(
        keys, start + np.minimum(np.arange(seen + MOST_ROWS), seen - 1) * width, seen, packed, width, lanes, scores
    )
    if softcap > _F(0.0):
        for i in range(seen * lanes):
            scores[i] = tanh(scores[i] / softcap) * softcap
    for lane in range(count):
        _hide(scores, lanes, lane, lowest, root, end, tree[(first + lane) // group], window)
    weights, mixed = np.empty(lanes * seen, np.float32), np.empty(count * width, np.float32)
    everything = np.zeros(lanes, np.int64), np.full(lanes, seen)
    softmax(scores, seen, lanes, 0, everything[0], everything[1], _F(0.0), weights)
    mix_values(weights, np.arange(count) * seen, seen, count, values, start, width, mixed)
    for i in range(count):
        result = out[row, (first + i) // group, head * group + (first + i) % group]
        for k in range(width):
            result[k] = mixed[i * width + k]


@njit(parallel=True, cache=True)
def _attend(stack, keys, values, shape, rows, start, tree, scale, window, softcap, out, threads):  # type: ignore[no-untyped-def]
    """Work items as in :func:`sirius_kernels.attention.cpu._attend`."""
    batch, steps, heads, width = out.shape
    _, kv_heads, capacity = shape
    group = heads // kv_heads
    blocks = (steps * group + QUERY_BLOCK - 1) // QUERY_BLOCK
    for part in prange(threads):
        for item in range(part, batch * kv_heads * blocks, threads):
            row, head, block = item // (kv_heads * blocks), item // blocks % kv_heads, item % blocks
            place = rows[row] if rows.shape[0] else row
            first = block * QUERY_BLOCK
            count = min(QUERY_BLOCK, steps * group - first)
            base = (place * kv_heads + head) * capacity * width
            _attend_block(
                stack, keys, values, base, row, head, group, first, count, start[row], tree, scale, window, softcap, out
            )


@njit(f"void({', '.join(['int64'] * 14)}, float64, int64, float64, int64, int64, int64, int64)", cache=True)
def write_and_attend_tree(  # type: ignore[no-untyped-def]
    qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, scale,
    window, softcap, out, threads, tree, longest,
):  # fmt: skip
    """As :func:`sirius_kernels.attention.cpu.write_and_attend`, over ``tree``: ``int32[steps, longest]``."""
    stack = floats(qkv, batch * steps * stacked * width).reshape(batch, steps, stacked, width)
    total = places * kv_heads * capacity * width
    k_flat, v_flat = floats(keys, total), floats(values, total)
    k_cache = k_flat.reshape(places, kv_heads, capacity, width)
    v_cache = v_flat.reshape(places, kv_heads, capacity, width)
    numbers, starts = long_integers(rows, batch), long_integers(start, batch)
    rotate_and_write(stack, floats(turns, batch * steps * pairs * 2), pairs, k_cache, v_cache, numbers, starts)
    heads, shape = stacked - 2 * kv_heads, (places, kv_heads, capacity)
    result = floats(out, batch * steps * heads * width).reshape(batch, steps, heads, width)
    paths = integers(tree, steps * longest).reshape(steps, longest)
    _attend(stack, k_flat, v_flat, shape, numbers, starts, paths, _F(scale), window, _F(softcap), result, threads)
