"""Dense linear layer for few rows."""

import torch

from sirius_kernels.contracts import Impl, Onto, added, expect_contiguous, expect_shape
from sirius_kernels.linear import reference
from sirius_kernels.quant.matrix import Weight, expect_weight


def linear(
    x: torch.Tensor,
    weight: Weight,
    bias: torch.Tensor | None = None,
    *,
    onto: Onto | None = None,
    fp32: bool = False,
    impl: Impl,
) -> torch.Tensor:
    """``x @ weight.T + bias``: ``x[N, K]``, ``weight[M, K]``, ``bias[M]`` -> ``[N, M]``, all of one dtype.

    Reads ``M * K`` weights once for up to 16 rows (once per 16 rows from cache beyond). ``numba`` takes fp32 on a CPU.
    Beside a quantised ``weight``, ``x`` is rounded to bytes (``quant.rounding.rounded_activations``) by ``numba`` where
    the processor multiplies them, by ``triton`` if it is one token. The result is added ``onto`` a sum, if there is
    one, which then is given back. With ``fp32`` it is that instead of the dtype of ``x``; ``triton`` alone does not
    round it before.
    Raises ``ContractError`` for arguments that do not fit.
    """
    expect_shape("x", x, None, weight.shape[1])
    expect_weight("weight", weight, x)
    if bias is not None:
        expect_shape("bias", bias, weight.shape[0])
    if onto is not None:
        expect_shape("onto", onto.sum, x.shape[0], weight.shape[0])
        expect_contiguous("onto", onto.sum)
    if impl == "triton":
        from sirius_kernels.linear import gpu

        return gpu.linear(x, weight, bias, onto, fp32)
    if impl == "numba":
        from sirius_kernels.linear import cpu

        result = cpu.linear(x, weight, bias)
    else:
        result = reference.linear(x, weight, bias)
    result = result.float() if fp32 else result
    return added(result, onto)
