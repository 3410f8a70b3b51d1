"""``linear`` in plain torch."""

import torch
from torch.nn import functional

from sirius_kernels.quant.matrix import Weight, plain


def linear(x: torch.Tensor, weight: Weight, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    return functional.linear(x, plain(weight, x.dtype), bias)
