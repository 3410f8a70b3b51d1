"""Rotation, cache write and attention compiled for the CPU: one call a layer.

Over a tree of tokens all slots are multiplied, and those off a token's path are hidden: a tree is short beside the text
before it, so what is multiplied in vain costs next to nothing.
"""

from typing import Final

import numpy as np
import torch
from numba import njit

from sirius_kernels.cpu_math import exp, tanh
from sirius_kernels.cpu_memory import NOTHING, address, floats, integers, long_integers, threads
from sirius_kernels.cpu_parts import apart, as_bits, as_number, in_parts, named_part, together
from sirius_kernels.cpu_tile import LANES, MOST_ROWS, TOKENS, WIDE_ROWS, make_tile

_F = np.float32
_QUERY_BLOCK = 16  # queries of one key head that share a pass over the keys
_LOWEST = _F(-3.0e38)  # the score of a key that a query does not see
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
    write_and_attend(
        address(qkv), batch, steps, stacked, width, address(turns), pairs, address(k_cache), address(v_cache), places,
        kv_heads, capacity, address(rows), address(start), scale, window or 0, softcap or 0.0, address(tree),
        0 if tree is None else tree.shape[1], address(out), threads(),
    )  # fmt: skip
    return out


@njit
def _pack_queries(stack, row, head, group, first, count, lanes, scale, packed):  # type: ignore[no-untyped-def]
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
def _multiply_keys(keys, offsets, count, packed, width, lanes, scores):  # type: ignore[no-untyped-def]
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
def _cap(scores, softcap):  # type: ignore[no-untyped-def]
    for i in range(scores.shape[0] if softcap > _F(0.0) else 0):
        scores[i] = tanh(scores[i] / softcap) * softcap


@njit
def _depth(path):  # type: ignore[no-untyped-def]
    """How many nodes are above the one that ``path`` ends with."""
    depth = path.shape[0] - 1
    while path[depth] < 0:
        depth -= 1
    return depth


@njit
def _root(position, tree):  # type: ignore[no-untyped-def]
    """The slot of the root, if the first token of ``tree`` is in slot ``position``: its path ends with its number."""
    return position - tree[0, _depth(tree[0])]


@njit
def _hide(scores, lanes, lane, lowest, root, end, path, window):  # type: ignore[no-untyped-def]
    """Give ``_LOWEST`` to the slots ``lowest .. end`` that the token with ``path`` does not see."""
    first = root + _depth(path) - window + 1 if window > 0 else 0
    for slot in range(lowest, min(first, root)):
        scores[(slot - lowest) * lanes + lane] = _LOWEST
    seen = np.zeros(end - root, np.uint8)
    for depth in range(_depth(path) + 1):
        if root + depth >= first:
            seen[path[depth]] = 1
    for node in range(end - root):
        if not seen[node]:
            scores[(root + node - lowest) * lanes + lane] = _LOWEST


@njit(fastmath=True, error_model="numpy")
def _softmax(scores, count, lanes, lowest, firsts, lasts, weights):  # type: ignore[no-untyped-def]
    """Softmax over the keys that each lane sees: ``scores[count, lanes]`` -> ``weights[lanes, count]``."""
    highest, total = np.full(lanes, _LOWEST), np.zeros(lanes, np.float32)
    for s in range(count):
        for lane in range(lanes):
            seen = firsts[lane] <= s + lowest <= lasts[lane]
            score = scores[s * lanes + lane] if seen else _LOWEST
            scores[s * lanes + lane] = score
            highest[lane] = max(highest[lane], score)
    for s in range(count):
        for lane in range(lanes):
            score = scores[s * lanes + lane]
            weight = exp(score - highest[lane]) if score > _LOWEST else _F(0.0)
            scores[s * lanes + lane] = weight
            total[lane] += weight
    for lane in range(lanes):
        inverse = _F(1.0) / total[lane]
        for s in range(count):
            weights[lane * count + s] = scores[s * lanes + lane] * inverse


@njit(fastmath=True)
def _mix_values(weights, offsets, count, queries, values, first, width, mixed):  # type: ignore[no-untyped-def]
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
def _seen_by(first, count, lanes, group, position, steps, tree, window):  # type: ignore[no-untyped-def]
    """``(lowest, firsts[lanes], lasts[lanes])``: the slots between which a query's keys lie, and the lowest of all.

    In a tree these are the slots that any of its tokens sees: those off a token's path are yet to be hidden.
    """
    if tree.shape[0]:
        root = _root(position, tree)  # others see less of what is above it
        lowest = max(root - window + 1, 0) if window > 0 else 0
        return lowest, np.full(lanes, lowest), np.full(lanes, position + steps - 1)
    lasts = position + (first + np.minimum(np.arange(lanes), count - 1)) // group
    firsts = np.maximum(lasts - window + 1, 0) if window > 0 else np.zeros(lanes, np.int64)
    return firsts[0], firsts, lasts


@njit
def _attend_block(  # type: ignore[no-untyped-def]
    stack, keys, values, base, row, head, group, first, count, position, tree, scale, window, softcap, out
):  # fmt: skip
    """``count`` queries from query ``first`` on of one key head, whose keys begin at element ``base``.

    The first token of the row has slot ``position``. ``tree`` is empty for a chain.
    """
    steps, width = stack.shape[1], stack.shape[3]
    lanes, end = LANES if count <= LANES else TOKENS, position + steps
    lowest, firsts, lasts = _seen_by(first, count, lanes, group, position, steps, tree, window)
    seen, begin = lasts[-1] + 1 - lowest, base + lowest * width
    packed, scores = np.empty(width * lanes, np.float32), np.empty(seen * lanes, np.float32)
    _pack_queries(stack, row, head, group, first, count, lanes, scale, packed)
    _multiply_keys(
        keys, begin + np.minimum(np.arange(seen + MOST_ROWS), seen - 1) * width, seen, packed, width, lanes, scores
    )
    _cap(scores, softcap)
    if tree.shape[0]:
        root = _root(position, tree)
        for lane in range(count):
            _hide(scores, lanes, lane, lowest, root, end, tree[(first + lane) // group], window)
    weights, mixed = np.empty(lanes * seen, np.float32), np.empty(count * width, np.float32)
    _softmax(scores, seen, lanes, lowest, firsts, lasts, weights)
    _mix_values(weights, np.arange(count) * seen, seen, count, values, begin, width, mixed)
    for i in range(count):
        result = out[row, (first + i) // group, head * group + (first + i) % group]
        for k in range(width):
            result[k] = mixed[i * width + k]


_ARGUMENTS: Final = 20  # of write_and_attend, all but the last


@named_part(error_model="numpy")
def _attend(arguments, part, parts):  # type: ignore[no-untyped-def]
    """Work items are (row, key head, block of queries); threads take them in turn, so that long and short ones mix."""
    (
        qkv, batch, steps, stacked, width, _, _, keys, values, places, kv_heads, capacity, rows, start, scale, window,
        softcap, tree, longest, out,
    ) = apart(arguments, _ARGUMENTS)  # fmt: skip
    heads, total = stacked - 2 * kv_heads, places * kv_heads * capacity * width
    group = heads // kv_heads
    stack = floats(qkv, batch * steps * stacked * width).reshape(batch, steps, stacked, width)
    k_flat, v_flat = floats(keys, total), floats(values, total)
    numbers, starts = long_integers(rows, batch), long_integers(start, batch)
    result = floats(out, batch * steps * heads * width).reshape(batch, steps, heads, width)
    paths = integers(tree, steps * longest).reshape(steps if tree != NOTHING else 0, longest)
    factor, cap = _F(as_number(scale)), _F(as_number(softcap))
    blocks = (steps * group + _QUERY_BLOCK - 1) // _QUERY_BLOCK
    for item in range(part, batch * kv_heads * blocks, parts):
        row, head, block = item // (kv_heads * blocks), item // blocks % kv_heads, item % blocks
        place = numbers[row] if numbers.shape[0] else row
        first = block * _QUERY_BLOCK
        count = min(_QUERY_BLOCK, steps * group - first)
        base = (place * kv_heads + head) * capacity * width
        _attend_block(
            stack, k_flat, v_flat, base, row, head, group, first, count, starts[row], paths, factor, window, cap, result
        )  # fmt: skip


@njit(fastmath=True, error_model="numpy")
def _rotate(head, turns):  # type: ignore[no-untyped-def]
    """Multiply pairs of ``head`` by complex numbers, both as (real, imaginary) side by side."""
    for i in range(0, turns.shape[0], 2):
        real, imaginary = head[i], head[i + 1]
        head[i] = real * turns[i] - imaginary * turns[i + 1]
        head[i + 1] = real * turns[i + 1] + imaginary * turns[i]


@named_part(fastmath=True, error_model="numpy")
def _rotate_and_write(arguments, part, parts):  # type: ignore[no-untyped-def]
    (
        qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, _, _, _,
        _, _, _,
    ) = apart(arguments, _ARGUMENTS)  # fmt: skip
    stack = floats(qkv, batch * steps * stacked * width).reshape(batch, steps, stacked, width)
    total, shape = places * kv_heads * capacity * width, (places, kv_heads, capacity, width)
    k_cache, v_cache = floats(keys, total).reshape(shape), floats(values, total).reshape(shape)
    numbers, starts, angles = (
        long_integers(rows, batch),
        long_integers(start, batch),
        floats(turns, batch * steps * pairs * 2),
    )
    first_key, first_value = stacked - 2 * kv_heads, stacked - kv_heads
    for item in range(part * batch * steps // parts, (part + 1) * batch * steps // parts):
        row, step = item // steps, item % steps
        place, slot, turn = numbers[row] if numbers.shape[0] else row, starts[row] + step, item * 2 * pairs
        for head in range(first_value):
            _rotate(stack[row, step, head], angles[turn : turn + 2 * pairs])
        for head in range(kv_heads):
            for k in range(width):
                k_cache[place, head, slot, k] = stack[row, step, first_key + head, k]
                v_cache[place, head, slot, k] = stack[row, step, first_value + head, k]


@njit(f"void({', '.join(['int64'] * 14)}, float64, int64, float64, int64, int64, int64, int64)", cache=True)
def write_and_attend(  # type: ignore[no-untyped-def]
    qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, scale,
    window, softcap, tree, longest, out, threads,
):  # fmt: skip
    """Arrays by their addresses, ``tree`` as ``int32[steps, longest]``; ``window`` and ``softcap`` 0 are off."""
    arguments = together((
        qkv, batch, steps, stacked, width, turns, pairs, keys, values, places, kv_heads, capacity, rows, start,
        as_bits(scale), window, as_bits(softcap), tree, longest, out,
    ))  # fmt: skip
    in_parts(_rotate_and_write(), arguments, 1)
    in_parts(_attend(), arguments, threads)
