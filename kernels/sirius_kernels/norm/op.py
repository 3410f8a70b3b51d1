"""RMSNorm and LayerNorm."""

import torch

from sirius_kernels.contracts import ContractError, Impl, expect_shape
from sirius_kernels.norm import reference


def normalise(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None = None,
    *,
    eps: float,
    centred: bool,
    impl: Impl,
) -> torch.Tensor:
    """Normalise ``x[N, D]`` over ``D`` in fp32 and round once: LayerNorm if ``centred``, else RMSNorm.

    ``weight`` and ``bias`` are ``fp32[D]`` or None; an RMSNorm has no bias.
    """
    if weight is not None:
        expect_shape("weight", weight, x.shape[-1])
    if bias is not None and not centred:
        raise ContractError("an RMSNorm takes no bias")
    if impl == "numba":
        from sirius_kernels.norm import cpu

        return cpu.normalise(x, weight, bias, eps, centred)
    if impl == "triton":
        from sirius_kernels.norm import gpu

        return gpu.normalise(x, weight, bias, eps, centred)
    return reference.normalise(x, weight, bias, eps, centred)
