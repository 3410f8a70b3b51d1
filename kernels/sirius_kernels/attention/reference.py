"""Decode attention over a static cache in plain torch."""

import torch


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
    batch, steps, heads, head_dim = q.shape
    used = int(start.max()) + steps  # slots beyond were never written: reading them could bring in NaN
    places = slice(batch) if rows is None else rows
    keys, values = k_cache[places, :, :used], v_cache[places, :, :used]
    kv_heads = keys.shape[1]
    groups = q.view(batch, steps, kv_heads, heads // kv_heads, head_dim)
    scores = torch.einsum("rtkgd,rksd->rkgts", groups.float(), keys.float()) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores.masked_fill_(~_visible(start, steps, used, window)[:, None, None], float("-inf"))
    # A row shorter than the longest has slots that nobody wrote. Their weight is 0, but 0 * NaN is NaN.
    written = torch.arange(used, device=q.device) < (start + steps)[:, None]
    values = values.float().masked_fill(~written[:, None, :, None], 0.0)
    out = torch.einsum("rkgts,rksd->rtkgd", scores.softmax(-1), values)
    return out.reshape(batch, steps, heads, head_dim).to(q.dtype)


def _visible(start: torch.Tensor, steps: int, used: int, window: int | None) -> torch.Tensor:
    """``[R, T, S]``: whether query t of row r may see key s."""
    keys = torch.arange(used, device=start.device)
    queries = (start[:, None] + torch.arange(steps, device=start.device))[..., None]
    visible = keys <= queries
    return visible & (keys > queries - window) if window is not None else visible
