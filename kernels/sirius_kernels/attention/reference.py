"""Rotation, cache write and attention in plain torch."""

import torch

from sirius_kernels.attention.tree import depths, roots


def rotate_(x: torch.Tensor, turns: torch.Tensor) -> None:
    """Turn the first ``2 * pairs`` dimensions of ``x[R, T, H, d]`` in place, in fp32: ``turns[R, T, 1, pairs]``."""
    turned = x[..., : 2 * turns.shape[-1]]
    pairs = turned.view(*turned.shape[:-1], -1, 2)
    if x.dtype is torch.float32:
        torch.view_as_complex(pairs).mul_(turns)
    else:
        pairs.copy_(torch.view_as_real(torch.view_as_complex(pairs.float()) * turns))


def write(cache: torch.Tensor, new: torch.Tensor, rows: torch.Tensor | None, start: torch.Tensor) -> None:
    """Store ``new[R, T, Hkv, d]`` in ``cache[B, Hkv, S, d]`` from slot ``start[r]`` of each row on."""
    steps = torch.arange(new.shape[1], device=new.device)
    places = torch.arange(new.shape[0], device=new.device) if rows is None else rows
    cache.transpose(1, 2)[places[:, None], start[:, None] + steps] = new


def attend(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    rows: torch.Tensor | None,
    start: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
    tree: torch.Tensor | None,
) -> torch.Tensor:
    """Attention of ``q[R, T, H, d]`` over caches that hold its keys already -> ``[R, T, H, d]``.

    All slots are looked at, since how many are in use is known on the device alone.
    """
    batch, steps, heads, head_dim = q.shape
    places = slice(batch) if rows is None else rows
    keys, values = k_cache[places], v_cache[places]
    kv_heads, slots = keys.shape[1:3]
    groups = q.reshape(batch, steps, kv_heads, heads // kv_heads, head_dim)
    scores = torch.einsum("rtkgd,rksd->rkgts", groups.float(), keys.float()) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    visible = _visible(start, steps, slots, window) if tree is None else _on_path(start, tree, slots, window)
    scores = scores.masked_fill(~visible[:, None, None], float("-inf"))
    # Slots that nobody wrote have weight 0, but they may hold NaN, and 0 * NaN is NaN.
    written = torch.arange(slots, device=q.device) < (start + steps)[:, None]
    values = values.float().masked_fill(~written[:, None, :, None], 0.0)
    out = torch.einsum("rkgts,rksd->rtkgd", scores.softmax(-1), values)
    return out.reshape(batch, steps, heads, head_dim).to(q.dtype)


def _visible(start: torch.Tensor, steps: int, slots: int, window: int | None) -> torch.Tensor:
    """``[R, T, S]``: whether query t of row r may see key s."""
    keys = torch.arange(slots, device=start.device)
    queries = (start[:, None] + torch.arange(steps, device=start.device))[..., None]
    visible = keys <= queries
    return visible & (keys > queries - window) if window is not None else visible


def _on_path(start: torch.Tensor, tree: torch.Tensor, slots: int, window: int | None) -> torch.Tensor:
    """``[R, T, S]``: whether node t of row r may see slot s."""
    root, below = roots(start, tree)[:, None], depths(tree)
    there = tree >= 0
    keys = torch.arange(slots, device=start.device)
    before = (keys < root)[:, None]
    if window is not None:
        there = there & (torch.arange(tree.shape[1], device=tree.device) > below[:, None] - window)
        before = before & (keys > (root + below - window)[..., None])
    nodes = root[..., None] + tree.clamp_min(0)
    path = torch.zeros(len(start), len(tree), slots, dtype=torch.int32, device=start.device)
    path.scatter_add_(2, nodes, there.to(torch.int32).expand_as(nodes))
    return (path > 0) | before


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
    kv_heads = k_cache.shape[1]
    heads = qkv.shape[2] - 2 * kv_heads
    if turns is not None:
        rotate_(qkv[:, :, : heads + kv_heads], turns)
    q, k, v = qkv.split_with_sizes((heads, kv_heads, kv_heads), dim=2)
    write(k_cache, k, rows, start)
    write(v_cache, v, rows, start)
    return attend(q, k_cache, v_cache, rows, start, scale, window, softcap, tree)
