"""Rotation, cache write and attention on a GPU: three launches a layer, whose grids do not depend on lengths."""

import torch
import triton
import triton.language as tl

from sirius_kernels.device import device_info
from sirius_kernels.gpu_chain import chained, follow
from sirius_kernels.gpu_config import attention_config


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
    kv_heads, capacity = k_cache.shape[1:3]
    heads = stacked - 2 * kv_heads
    queries, block_d = steps * (heads // kv_heads), max(16, triton.next_power_of_2(width))
    device = device_info(qkv.device)
    config = attention_config(
        batch, kv_heads, queries, width, capacity, qkv.element_size(), device, tree=tree is not None
    )
    places = start if rows is None else rows
    pairs = 0 if turns is None else turns.shape[3]
    write_kernel[(batch * steps, stacked)](
        qkv, start if turns is None else torch.view_as_real(turns.contiguous()), k_cache, v_cache, places, start,
        steps, heads, kv_heads, capacity, width, pairs, PLACED=rows is not None, BLOCK_D=block_d,
        enable_fp_fusion=True, **chained(device),
    )  # fmt: skip
    blocks = triton.cdiv(queries, config.queries)
    shares = torch.empty(batch, kv_heads, queries, config.splits, width + 2, device=qkv.device)
    attend_kernel[(blocks * kv_heads, config.splits, batch)](
        qkv, k_cache, v_cache, places, start, shares, steps, heads, kv_heads, capacity, width, queries, blocks,
        triton.cdiv(capacity, config.splits), config.splits, scale, window or 0, softcap or 0.0,
        places if tree is None else tree, 0 if tree is None else tree.shape[1],
        PLACED=rows is not None, TREE=tree is not None, CAPPED=softcap is not None, BLOCK_Q=config.queries,
        BLOCK_S=config.keys, BLOCK_D=block_d, num_warps=config.warps, num_stages=config.stages, enable_fp_fusion=True,
        **chained(device),
    )  # fmt: skip
    out = torch.empty(batch, steps, heads, width, dtype=qkv.dtype, device=qkv.device)
    join_kernel[(queries, kv_heads, batch)](
        shares, out, heads, kv_heads, width, queries, config.splits,
        SPLITS=triton.next_power_of_2(config.splits), BLOCK_D=block_d, enable_fp_fusion=True,
        **chained(device),
    )  # fmt: skip
    return out


@triton.jit
def write_kernel(  # type: ignore[no-untyped-def]
    qkv, turns, k_cache, v_cache, places, start, steps, heads, kv_heads, capacity, width, pairs,
    PLACED: tl.constexpr, CHAINED: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Turn a head of queries or keys in place, and write that of keys or values to its slot of the cache."""
    follow(CHAINED)
    token, head = tl.program_id(0), tl.program_id(1)
    row = token // steps
    place = tl.load(places + row) if PLACED else row.to(tl.int64)
    slot = tl.load(start + row) + token % steps
    source = qkv + (token.to(tl.int64) * (heads + 2 * kv_heads) + head) * width
    column = tl.arange(0, BLOCK_D)
    inside = column < width
    values = tl.load(source + column, mask=inside, other=0.0)
    if head < heads + kv_heads:
        # Dimension 2i is the real part of number i, 2i + 1 the imaginary one; each is half of the turned other.
        turned = inside & (column < 2 * pairs)
        turn = turns + token.to(tl.int64) * 2 * pairs + column // 2 * 2
        cosine = tl.load(turn, mask=turned, other=1.0)
        sine = tl.load(turn + 1, mask=turned, other=0.0)
        other = tl.load(source + (column ^ 1), mask=turned, other=0.0).to(tl.float32)
        sign = tl.where(column % 2 == 0, -1.0, 1.0)
        values = (values.to(tl.float32) * cosine + sign * other * sine).to(values.dtype)
    if head < heads:
        tl.debug_barrier()  # all have read what is now overwritten
        tl.store(source + column, values, mask=inside)
    else:
        cache = k_cache if head < heads + kv_heads else v_cache
        kv_head = (head - heads) % kv_heads
        target = ((place * kv_heads + kv_head) * capacity + slot) * width
        tl.store(cache + target + column, values, mask=inside)


@triton.jit
def attend_kernel(  # type: ignore[no-untyped-def]
    qkv, k_cache, v_cache, places, start, shares, steps, heads, kv_heads, capacity, width, queries, blocks, share,
    splits, scale, window, softcap, tree, longest,
    PLACED: tl.constexpr, TREE: tl.constexpr, CAPPED: tl.constexpr, CHAINED: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_S: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One block of queries of one key head over one share of the slots, with a running softmax.

    ``shares[batch, kv_heads, queries, splits, width + 2]`` gets the mixed values, the sum of weights, and the largest
    score that both are relative to. Query ``q`` is step ``q // group``, head ``q % group`` of the group. With ``TREE``
    step ``s`` sees the text before the root, and the nodes ``tree[s]``, of which there are ``longest`` at most.
    """
    follow(CHAINED)
    row, split = tl.program_id(2), tl.program_id(1)
    kv_head, group = tl.program_id(0) // blocks, heads // kv_heads
    query = tl.program_id(0) % blocks * BLOCK_Q + tl.arange(0, BLOCK_Q)
    asked = query < queries
    column = tl.arange(0, BLOCK_D)
    inside = column < width
    token = (row * steps + query // group).to(tl.int64)
    head = kv_head * group + query % group
    q = tl.load(
        qkv + (token * (heads + 2 * kv_heads) + head)[:, None] * width + column[None, :],
        mask=asked[:, None] & inside[None, :], other=0.0,
    )  # fmt: skip
    begin = tl.load(start + row)
    last = begin + query // group
    own = tree + query // group * longest  # TREE: where a query's path begins
    depth, root = last, begin
    if TREE:
        # Paths go downwards, so the first token of the pass is the largest number of its own.
        newest = tl.full((), 0, tl.int32)
        depth = tl.full((BLOCK_Q,), -1, tl.int64)
        for i in range(longest):
            newest = tl.maximum(newest, tl.load(tree + i))
            depth += (tl.load(own + i, mask=asked, other=-1) >= 0).to(tl.int64)
        root = begin - newest
        last = root + depth
    first = tl.where(window > 0, tl.maximum(last - window + 1, 0), 0)
    place = tl.load(places + row) if PLACED else row.to(tl.int64)
    base = (place * kv_heads + kv_head) * capacity * width
    low = split * share
    high = tl.minimum(low + share, begin + steps if TREE else tl.max(tl.where(asked, last, 0), 0) + 1)
    best = tl.full((BLOCK_Q,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_Q,), tl.float32)
    mixed = tl.zeros((BLOCK_Q, BLOCK_D), tl.float32)
    for at in range(low, high, BLOCK_S):
        slot = at + tl.arange(0, BLOCK_S)
        held = slot < high
        where = base + slot.to(tl.int64)[:, None] * width + column[None, :]
        known = held[:, None] & inside[None, :]
        keys = tl.load(k_cache + where, mask=known, other=0.0)
        scores = tl.dot(q, tl.trans(keys), input_precision="ieee") * scale
        if CAPPED:
            scores = softcap * (2.0 * tl.sigmoid(2.0 * scores / softcap) - 1.0)
        if TREE:
            seen = (slot < root)[None, :] & (slot[None, :] >= first[:, None])
            if at + BLOCK_S > root:
                number = (slot - root).to(tl.int32)
                for i in range(longest):
                    node = tl.load(own + i, mask=asked, other=-1)
                    shown = tl.where(root + i >= first, node, -1)
                    seen = seen | ((shown[:, None] == number[None, :]) & (number >= 0)[None, :])
            seen = seen & held[None, :]
        else:
            seen = held[None, :] & (slot[None, :] <= last[:, None]) & (slot[None, :] >= first[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 1))
        against = tl.where(higher == float("-inf"), 0.0, higher)  # nothing seen yet: all weights become 0
        weights = tl.exp(scores - against[:, None])
        shrink = tl.exp(best - against)
        total = total * shrink + tl.sum(weights, 1)
        values = tl.load(v_cache + where, mask=known, other=0.0)
        mixed = tl.dot(weights.to(values.dtype), values, mixed * shrink[:, None], input_precision="ieee")
        best = higher
    target = (((row * kv_heads + kv_head) * queries + query).to(tl.int64) * splits + split) * (width + 2)
    tl.store(shares + target[:, None] + column[None, :], mixed, mask=asked[:, None] & inside[None, :])
    tl.store(shares + target + width, total, mask=asked)
    tl.store(shares + target + width + 1, best, mask=asked)


@triton.jit
def join_kernel(  # type: ignore[no-untyped-def]
    shares, out, heads, kv_heads, width, queries, splits,
    SPLITS: tl.constexpr, CHAINED: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Join the shares of a query: weights are made relative to the largest score of all."""
    follow(CHAINED)
    query, kv_head, row = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    group = heads // kv_heads
    split = tl.arange(0, SPLITS)
    there = split < splits
    column = tl.arange(0, BLOCK_D)
    inside = column < width
    source = (((row * kv_heads + kv_head) * queries + query).to(tl.int64) * splits + split) * (width + 2)
    best = tl.load(shares + source + width + 1, mask=there, other=float("-inf"))
    factor = tl.exp(best - tl.max(best, 0))
    total = tl.sum(tl.load(shares + source + width, mask=there, other=0.0) * factor, 0)
    mixed = tl.load(
        shares + source[:, None] + column[None, :], mask=there[:, None] & inside[None, :], other=0.0
    )  # fmt: skip
    result = tl.sum(mixed * factor[:, None], 0) / total
    step = query // group
    steps = queries // group
    head = kv_head * group + query % group
    at = ((row * steps + step).to(tl.int64) * heads + head) * width
    tl.store(out + at + column, result.to(out.dtype.element_ty), mask=inside)
