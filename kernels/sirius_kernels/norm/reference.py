"""``normalise`` in plain torch."""

import torch
from torch.nn import functional


def normalise(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, centred: bool
) -> torch.Tensor:
    """See :func:`sirius_kernels.norm.op.normalise`."""
    width = x.shape[-1:]
    if centred:
        return functional.layer_norm(x.float(), width, weight, bias, eps).to(x.dtype)
    return functional.rms_norm(x.float(), width, weight, eps).to(x.dtype)
