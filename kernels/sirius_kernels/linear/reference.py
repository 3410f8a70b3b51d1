"""``linear`` in plain torch."""

import torch
from torch.nn import functional


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    return functional.linear(x, weight, bias)
