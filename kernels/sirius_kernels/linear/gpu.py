"""``linear`` on a GPU."""

import torch

from sirius_kernels.gpu_config import MOST_TOKENS
from sirius_kernels.gpu_rows import PLAIN, rows_product
from sirius_kernels.linear import reference
from sirius_kernels.quant.matrix import Weight


def linear(x: torch.Tensor, weight: Weight, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    if x.shape[0] > MOST_TOKENS:
        return reference.linear(x, weight, bias)
    outputs, depth = weight.shape
    return rows_product(
        x, weight, bias, None, None, stride=depth, first=0, rows=1, neurons=outputs, mode=PLAIN, kind=0
    )  # fmt: skip
