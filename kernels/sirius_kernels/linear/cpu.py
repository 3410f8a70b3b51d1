"""``linear`` compiled for the CPU."""

import torch

from sirius_kernels.cpu_blas import blas_threads, left_to_blas
from sirius_kernels.cpu_memory import NOTHING, address, threads
from sirius_kernels.cpu_quant import stored
from sirius_kernels.cpu_rows import PLAIN, rows_product
from sirius_kernels.linear import reference
from sirius_kernels.quant.matrix import QuantMatrix, Weight


def linear(x: torch.Tensor, weight: Weight, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    tokens, (outputs, depth) = x.shape[0], weight.shape
    if left_to_blas(tokens) and not isinstance(weight, QuantMatrix):
        with blas_threads():
            return reference.linear(x, weight, bias)
    x, out = x.contiguous(), torch.empty(tokens, outputs)
    rows_product(
        *stored(weight), outputs * depth, depth, 0, 1, depth, outputs, NOTHING, address(bias), outputs,
        NOTHING, 0, PLAIN, 0, address(x), tokens, address(out), threads(),
    )  # fmt: skip
    return out
