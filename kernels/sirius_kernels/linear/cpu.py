"""``linear`` compiled for the CPU."""

import torch

from sirius_kernels.cpu_blas import MANY_TOKENS, blas_threads
from sirius_kernels.cpu_memory import NOTHING, address, threads
from sirius_kernels.cpu_rows import PLAIN, rows_product
from sirius_kernels.linear import reference


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    tokens, (outputs, depth) = x.shape[0], weight.shape
    if tokens >= MANY_TOKENS:
        with blas_threads():
            return reference.linear(x, weight, bias)
    x, out = x.contiguous(), torch.empty(tokens, outputs)
    rows_product(
        address(weight), outputs * depth, depth, 0, 1, depth, outputs, NOTHING, address(bias), outputs,
        NOTHING, 0, PLAIN, 0, address(x), tokens, address(out), threads(),
    )  # fmt: skip
    return out
