"""Dense linear layer for few rows."""

import torch

from sirius_kernels.contracts import Impl, expect_shape
from sirius_kernels.linear import reference
from sirius_kernels.quant.matrix import Weight, expect_weight


def linear(x: torch.Tensor, weight: Weight, bias: torch.Tensor | None = None, *, impl: Impl) -> torch.Tensor:
    """``x @ weight.T + bias``: ``x[N, K]``, ``weight[M, K]``, ``bias[M]`` -> ``[N, M]``, all of one dtype.

    Reads ``M * K`` weights once for up to 16 rows (once per 16 rows from cache beyond). ``numba`` takes fp32 on a CPU.
    A quantised ``weight`` is computed with in the dtype of ``x``.
    Raises ``ContractError`` for arguments that do not fit.
    """
    expect_shape("x", x, None, weight.shape[1])
    expect_weight("weight", weight, x)
    if bias is not None:
        expect_shape("bias", bias, weight.shape[0])
    if impl == "numba":
        from sirius_kernels.linear import cpu

        return cpu.linear(x, weight, bias)
    if impl == "triton":
        from sirius_kernels.linear import gpu

        return gpu.linear(x, weight, bias)
    return reference.linear(x, weight, bias)
