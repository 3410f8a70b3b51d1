"""RMSNorm and LayerNorm on a GPU."""

import torch
import triton
import triton.language as tl

from sirius_kernels.device import device_info
from sirius_kernels.gpu_chain import chained, follow


def normalise(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, centred: bool
) -> torch.Tensor:
    """See :func:`sirius_kernels.norm.op.normalise`."""
    tokens, width = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    if out.numel() > 0:
        norm_kernel[(tokens,)](
            x.contiguous(), x if weight is None else weight, x if bias is None else bias, out, width, eps,
            CENTRED=centred, WEIGHTED=weight is not None, BIASED=bias is not None,
            BLOCK_D=triton.next_power_of_2(width), num_warps=8 if width > 2048 else 4, enable_fp_fusion=True,
            **chained(device_info(x.device)),
        )  # fmt: skip
    return out


@triton.jit
def norm_kernel(  # type: ignore[no-untyped-def]
    x, weight, bias, out, width, eps,
    CENTRED: tl.constexpr, WEIGHTED: tl.constexpr, BIASED: tl.constexpr, CHAINED: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One token a block; its row stays in registers between the two passes over it."""
    column = tl.arange(0, BLOCK_D)
    inside = column < width
    row = tl.program_id(0).to(tl.int64) * width
    follow(CHAINED)
    values = tl.load(x + row + column, mask=inside, other=0.0).to(tl.float32)
    if CENTRED:
        values = tl.where(inside, values - tl.sum(values, 0) / width, 0.0)
    values *= tl.rsqrt(tl.sum(values * values, 0) / width + eps)
    if WEIGHTED:
        values *= tl.load(weight + column, mask=inside, other=0.0)
    if BIASED:
        values += tl.load(bias + column, mask=inside, other=0.0)
    tl.store(out + row + column, values.to(out.dtype.element_ty), mask=inside)
