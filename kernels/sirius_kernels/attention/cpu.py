"""Rotation, cache write and attention compiled for the CPU: one call a layer."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_math import exp, tanh
from sirius_kernels.cpu_memory import address, floats, long_integers, threads
from sirius_kernels.cpu_tile import LANES, MOST_ROWS, TOKENS, WIDE_ROWS, make_tile

_F = np.float32
QUERY_BLOCK = 16  # queries of one key head that share a pass over the keys
LOWEST = _F(-3.0e38)  # the score of a key that a query does not see
_wide_keys, _wide_key = make_tile(WIDE_ROWS, TOKENS, prefetch=True), make_tile(1, TOKENS, prefetch=True)
_keys, _key = make_tile(8, LANES, prefetch=True), make_tile(1, LANES, prefetch=True)
_mix, _mix_one = make_tile(WIDE_ROWS, TOKENS, prefetch=False), make_tile(1, TOKENS, prefetch=False)


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
    tree: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.attention.op.attention`."""
    batch, steps, stacked, width = qkv.shape
    places, kv_heads, capacity, _ = k_cache.shape
    out = torch.empty(batch, steps, stacked - 2 * kv_heads, width)
    turns = None if turns is None else turns.contiguous()
    pairs = 0 if turns is None else turns.shape[3]
    arguments = (
        address(qkv), batch, steps, stacked, width, address(turns), pairs, address(k_cache), address(v_cache), places,
        kv_heads, capacity, address(rows), address(start), scale, window or 0, softcap or 0.0, address(out),
        threads(),
    )  # fmt: skip
    if tree is None:
        write_and_attend(*arguments)
    else:
        from sirius_kernels.attention import cpu_tree

        cpu_tree.write_and_attend_tree(*arguments, address(tree), tree.shape[1])
    return out


@njit
def pack_queries(stack, row, head, group, first, count, lanes, scale, packed):  # type: ignore[no-untyped-def]
    """Queries ``first, first + 1, …`` of one key head side by side, scaled: ``packed[d * lanes]``.

    Query ``j`` is step ``j // group``, head ``j % group`` of the group.
    """
    width = stack.shape[3]
    for lane in range(lanes):
        if lane < count:
            query = first + lane
            source = stack[row, query // group, head * group + query % group]
            for k in range(width):
                packed[k * lanes + lane] = source[k] * scale
        else:
            for k in range(width):
                packed[k * lanes + lane] = _F(0.0)


@njit
def multiply_keys(keys, offsets, count, packed, width, lanes, scores):  # type: ignore[no-untyped-def]
    """``scores[count * lanes]``: every key times every packed query."""
    done = 0
    if lanes == TOKENS:
        while done + WIDE_ROWS <= count:
            _wide_keys(keys, offsets, done, packed, 0, lanes, scores, done * lanes, lanes, width)
            done += WIDE_ROWS
        while done < count:
            _wide_key(keys, offsets, done, packed, 0, lanes, scores, done * lanes, lanes, width)
            done += 1
    else:
        while done + 8 <= count:
            _keys(keys, offsets, done, packed, 0, lanes, scores, done * lanes, lanes, width)
            done += 8
        while done < count:
            _key(keys, offsets, done, packed, 0, lanes, scores, done * lanes, lanes, width)
            done += 1


@njit(fastmath=True, error_model="numpy")
def softmax(scores, count, lanes, lowest, firsts, lasts, softcap, weights):  # type: ignore[no-untyped-def]
    """Softmax over the keys that each lane sees: ``scores[count, lanes]`` -> ``weights[lanes, count]``."""
    if softcap > _F(0.0):
        for i in range(count * lanes):
            scores[i] = tanh(scores[i] / softcap) * softcap
    highest, total = np.full(lanes, LOWEST), np.zeros(lanes, np.float32)
    for s in range(count):
        for lane in range(lanes):
            seen = firsts[lane] <= s + lowest <= lasts[lane]
            score = scores[s * lanes + lane] if seen else LOWEST
            scores[s * lanes + lane] = score
            highest[lane] = max(highest[lane], score)
    for s in range(count):
        for lane in range(lanes):
            score = scores[s * lanes + lane]
            weight = exp(score - highest[lane]) if score > LOWEST else _F(0.0)
            scores[s * lanes + lane] = weight
            total[lane] += weight
    for lane in range(lanes):
        inverse = _F(1.0) / total[lane]
        for s in range(count):
            weights[lane * count + s] = scores[s * lanes + lane] * inverse


@njit(fastmath=True)
def mix_values(weights, offsets, count, queries, values, first, width, mixed):  # type: ignore[no-untyped-def]
    """``mixed[queries, width]`` = ``weights[queries, count]`` times the ``count`` values from element ``first`` on."""
    whole = width // TOKENS * TOKENS
    for column in range(0, whole, TOKENS):
        lane = 0
        while lane + WIDE_ROWS <= queries:
            at = lane * width + column
            _mix(weights, offsets, lane, values, first + column, width, mixed, at, width, count)
            lane += WIDE_ROWS
        while lane < queries:
            at = lane * width + column
            _mix_one(weights, offsets, lane, values, first + column, width, mixed, at, width, count)
            lane += 1
    for lane in range(queries):
        for k in range(whole, width):
            total = _F(0.0)
            for s in range(count):
                total += weights[lane * count + s] * values[first + s * width + k]
            mixed[lane * width + k] = total


@njit
def _attend_block(stack, keys, values, base, row, head, group, first, count, position, scale, window, softcap, out):  # type: ignore[no-untyped-def]
    """``count`` queries from query ``first`` on of one key head, whose keys begin at element ``base``."""
    width = stack.shape[3]
    lanes = LANES if count <= LANES else TOKENS
    lasts = position + (first + np.minimum(np.arange(lanes), count - 1)) // group
    firsts = np.maximum(lasts - window + 1, 0) if window > 0 else np.zeros(lanes, np.int64)
    lowest, seen = firsts[0], lasts[-1] + 1 - firsts[0]
    begin = base + lowest * width
    packed, scores = np.empty(width * lanes, np.float32), np.empty(seen * lanes, np.float32)
    pack_queries(stack, row, head, group, first, count, lanes, scale, packed)
    multiply_keys(
        keys, begin + np.minimum(np.arange(seen + MOST_ROWS), seen - 1) * width, seen, packed, width, lanes, scores
    )
    weights, mixed = np.empty(lanes * seen, np.float32), np.empty(count * width, np.float32)
    softmax(scores, seen, lanes, lowest, firsts, lasts, softcap, weights)
    mix_values(weights, np.arange(count) * seen, seen, count, values, begin, width, mixed)
    for i in range(count):
        result = out[row, (first + i) // group, head * group + (first + i) % group]
        for k in range(width):
            result[k] = mixed[i * width + k]


@njit(parallel=True, cache=True)
def _attend(stack, keys, values, shape, rows, start, scale, window, softcap, out, threads):  # type: ignore[no-untyped-def]
    """Work items are (row, key head, block of queries); threads take them in turn, so that long and short ones mix."""
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
                stack, keys, values, base, row, head, group, first, count, start[row], scale, window, softcap, out
            )


@njit(fastmath=True, error_model="numpy")
def rotate_and_write(qkv, turns, pairs, keys, values, rows, start):  # type: ignore[no-untyped-def]
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


@njit(fastmath=True, error_model="numpy")
def _rotate(head, turns):  # type: ignore[no-untyped-def]
    """Multiply pairs of ``head`` by complex numbers, both as (real, imaginary) side by side."""
    for i in range(0, turns.shape[0], 2):
        real, imaginary = head[i], head[i + 1]
        head[i] = real * turns[i] - imaginary * turns[i + 1]
        head[i + 1] = real * turns[i + 1] + imaginary * turns[i]


@njit(f"void({', '.join(['int64'] * 14)}, float64, int64, float64, int64, int64)", cache=True)
def write_and_attend(  # type: ignore[no-untyped-def]
    qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, scale,
    window, softcap, out, threads,
):  # fmt: skip
    """Arrays by their addresses; ``window`` and ``softcap`` 0 are off."""
    stack = floats(qkv, batch * steps * stacked * width).reshape(batch, steps, stacked, width)
    total = places * kv_heads * capacity * width
    k_flat, v_flat = floats(keys, total), floats(values, total)
    k_cache = k_flat.reshape(places, kv_heads, capacity, width)
    v_cache = v_flat.reshape(places, kv_heads, capacity, width)
    numbers, starts = long_integers(rows, batch), long_integers(start, batch)
    rotate_and_write(stack, floats(turns, batch * steps * pairs * 2), pairs, k_cache, v_cache, numbers, starts)
    heads, shape = stacked - 2 * kv_heads, (places, kv_heads, capacity)
    result = floats(out, batch * steps * heads * width).reshape(batch, steps, heads, width)
    _attend(stack, k_flat, v_flat, shape, numbers, starts, _F(scale), window, _F(softcap), result, threads)
