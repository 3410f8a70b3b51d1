"""Normalisation of queries and keys, computed in fp32 and rounded once."""

import torch
from torch.nn import functional


def normalise_heads_(qk: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
    """RMSNorm each head on its own, in place: ``qk[R, T, H, d]``, ``weight[H, d]``."""
    torch.mul(functional.rms_norm(qk.float(), qk.shape[-1:], None, eps), weight, out=qk)


def normalise_across_heads_(x: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
    """RMSNorm over all heads at once, in place: ``x[R, T, H, d]``, ``weight[H, d]``."""
    x.copy_(functional.rms_norm(x.float(), weight.shape, weight, eps))
