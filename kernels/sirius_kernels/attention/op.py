"""Rotate new tokens, write their keys and values into a static cache, attend."""

import torch

from sirius_kernels.attention import reference
from sirius_kernels.contracts import ContractError, Impl, expect_contiguous, expect_dtype, expect_shape


def attention(
    qkv: torch.Tensor,
    turns: torch.Tensor | None,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    rows: torch.Tensor | None,
    start: torch.Tensor,
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
    tree: torch.Tensor | None = None,
    impl: Impl,
) -> torch.Tensor:
    """Causal attention with grouped heads over ``k_cache[B, Hkv, S, d]`` and ``v_cache`` -> ``[R, T, H, d]``.

    ``qkv[R, T, H + 2 Hkv, d]`` stacks the heads of queries, keys and values; it is scratch afterwards. Token ``t`` of
    row ``r`` stands at position ``start[r] + t`` (``start`` is ``int64[R]``). Where ``turns`` (``complex64[R, T, 1,
    pairs]``) is given, dimensions ``(2i, 2i + 1)`` of every query and key are turned by ``turns[..., i]`` (RoPE).
    Keys and values are written to their slots first; a query sees the keys at or before its own, in a sliding
    ``window`` only the last ``window`` of these. ``rows`` (``int64[R]``) names each row's place in the cache; ``None``
    means ``0..R-1``; several rows may share a place, as parts of one text. Scores are ``tanh(score / softcap) *
    softcap`` where ``softcap`` is given. fp32 accumulation.

    ``tree`` (``int32[T, M]``) makes the tokens of every row nodes of a tree behind its text. Line ``t`` is the path to
    token ``t``: the node at each depth, the root at depth 0, the token itself last, then -1. Nodes are numbered by
    their slots from the root on, so those of a pass are consecutive, and earlier ones were written by earlier passes.
    A token sees the text before the root and its path; it stands at the root's position plus its depth, which ``turns``
    have to follow, and by which a sliding ``window`` counts.
    """
    kv_heads = k_cache.shape[1]
    heads = qkv.shape[2] - 2 * kv_heads
    expect_shape("k_cache", k_cache, None, None, None, qkv.shape[3])
    expect_shape("v_cache", v_cache, *k_cache.shape)
    expect_shape("start", start, qkv.shape[0])
    expect_dtype("start", start, torch.int64)
    expect_contiguous("qkv", qkv)
    expect_contiguous("k_cache", k_cache)
    expect_contiguous("v_cache", v_cache)
    if turns is not None:
        expect_shape("turns", turns, qkv.shape[0], qkv.shape[1], 1, None)
        expect_dtype("turns", turns, torch.complex64)
    if tree is not None:
        expect_shape("tree", tree, qkv.shape[1], None)
        expect_dtype("tree", tree, torch.int32)
        expect_contiguous("tree", tree)
    if heads <= 0 or heads % kv_heads:
        raise ContractError(f"{heads} query heads cannot share {kv_heads} key heads evenly")
    if rows is None and qkv.shape[0] > k_cache.shape[0]:
        raise ContractError(f"qkv has {qkv.shape[0]} rows, the cache {k_cache.shape[0]}")
    if impl == "numba":
        from sirius_kernels.attention import cpu

        return cpu.attention(qkv, turns, k_cache, v_cache, rows, start, scale, window, softcap, tree)
    if impl == "triton":
        from sirius_kernels.attention import gpu

        return gpu.attention(qkv, turns, k_cache, v_cache, rows, start, scale, window, softcap, tree)
    return reference.attention(qkv, turns, k_cache, v_cache, rows, start, scale, window, softcap, tree)
