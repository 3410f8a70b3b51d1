"""Attention of a few new tokens over a static KV cache."""

import torch

from sirius_kernels.attention import reference
from sirius_kernels.contracts import ContractError, Impl, expect_dtype, expect_shape


def attention(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    rows: torch.Tensor | None,
    start: torch.Tensor,
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
    impl: Impl,
) -> torch.Tensor:
    """Causal attention with grouped heads: ``q[R, T, H, d]``, caches ``[B, Hkv, S, d]`` -> ``[R, T, H, d]``.

    Query ``t`` of row ``r`` stands at position ``start[r] + t`` (``start`` is ``int64[R]``) and sees the keys at or
    before it, in a sliding ``window`` only the last ``window`` of these. The keys of the new tokens are already in
    the cache. ``rows`` (``int64[R]``) names each row's place in the cache; ``None`` means ``0..R-1``. Scores are
    ``tanh(score / softcap) * softcap`` where ``softcap`` is given. fp32 accumulation.
    """
    expect_shape("k_cache", k_cache, None, None, None, q.shape[3])
    expect_shape("v_cache", v_cache, *k_cache.shape)
    expect_shape("start", start, q.shape[0])
    expect_dtype("start", start, torch.int64)
    if q.shape[2] % k_cache.shape[1]:
        raise ContractError(f"{q.shape[2]} query heads cannot share {k_cache.shape[1]} key heads evenly")
    if rows is None and q.shape[0] > k_cache.shape[0]:
        raise ContractError(f"q has {q.shape[0]} rows, the cache {k_cache.shape[0]}")
    if impl == "numba":
        from sirius_kernels.attention import cpu

        return cpu.attention(q, k_cache, v_cache, rows, start, scale, window, softcap)
    return reference.attention(q, k_cache, v_cache, rows, start, scale, window, softcap)
