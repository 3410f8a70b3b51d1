"""Normalisation, computed in fp32 and rounded once."""

import torch
from torch.nn import functional

from sirius_cli.engine.models.layout import NormWeights


def normalise(x: torch.Tensor, norm: NormWeights) -> torch.Tensor:
    """RMSNorm or LayerNorm over the last dimension: ``x[..., D]`` -> ``[..., D]`` in the dtype of ``x``."""
    width = x.shape[-1:]
    if norm.kind == "rms":
        return functional.rms_norm(x.float(), width, norm.weight, norm.eps).to(x.dtype)
    return functional.layer_norm(x.float(), width, norm.weight, norm.bias, norm.eps).to(x.dtype)


def normalise_heads_(qk: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
    """RMSNorm each head on its own, in place: ``qk[R, T, H, d]``, ``weight[H, d]``."""
    torch.mul(functional.rms_norm(qk.float(), qk.shape[-1:], None, eps), weight, out=qk)


def normalise_across_heads_(x: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
    """RMSNorm over all heads at once, in place: ``x[R, T, H, d]``, ``weight[H, d]``."""
    x.copy_(functional.rms_norm(x.float(), weight.shape, weight, eps))
