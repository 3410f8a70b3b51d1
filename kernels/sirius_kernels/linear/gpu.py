"""``linear`` on a GPU."""

import torch

from sirius_kernels.contracts import Onto, added
from sirius_kernels.gpu_config import MOST_TOKENS
from sirius_kernels.gpu_rows import PLAIN, rows_product
from sirius_kernels.linear import reference
from sirius_kernels.quant.matrix import Weight


def linear(x: torch.Tensor, weight: Weight, bias: torch.Tensor | None, onto: Onto | None, fp32: bool) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    if x.shape[0] > MOST_TOKENS:
        result = reference.linear(x, weight, bias)
        result = result.float() if fp32 else result
        return added(result, onto)
    outputs, depth = weight.shape
    return rows_product(
        x, weight, bias, None, None, stride=depth, first=0, rows=1, neurons=outputs, mode=PLAIN, kind=0, onto=onto,
        dtype=torch.float32 if fp32 else x.dtype,
    )  # fmt: skip
