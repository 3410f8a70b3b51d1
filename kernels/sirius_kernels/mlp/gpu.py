"""The two halves of a neuron-sparse MLP on a GPU."""

import torch
import triton
import triton.language as tl

from sirius_kernels import tuned
from sirius_kernels.contracts import Activation
from sirius_kernels.device import device_info
from sirius_kernels.gpu_config import MOST_TOKENS, down_config
from sirius_kernels.gpu_quant import load_weights, stored
from sirius_kernels.gpu_rows import ACTIVATE, ACTIVATIONS, SCALE, rows_product
from sirius_kernels.mlp import reference
from sirius_kernels.quant.matrix import Weight


def mlp_hidden(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None,
    activation: Activation,
    active: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
    if x.shape[0] > MOST_TOKENS:
        return reference.mlp_hidden(x, gate_up, bias, activation, active)
    return _rows(x, gate_up, bias, active, None, 0, gate_up.shape[1], ACTIVATE, activation)


def mlp_gate(x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, activation: Activation) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
    if x.shape[0] > MOST_TOKENS:
        return reference.mlp_gate(x, gate_up, bias, activation)
    return _rows(x, gate_up, bias, None, None, 0, 1, ACTIVATE, activation)


def mlp_up(
    x: torch.Tensor, gate: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_up`."""
    if x.shape[0] > MOST_TOKENS or gate_up.shape[1] == 1:
        return reference.mlp_up(x, gate, gate_up, bias, active)
    return _rows(x, gate_up, bias, active, gate, gate_up.shape[2], 1, SCALE, "relu")


def _rows(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None,
    active: torch.Tensor | None,
    gate: torch.Tensor | None,
    first: int,
    rows: int,
    mode: int,
    activation: Activation,
) -> torch.Tensor:
    neurons, projections, depth = gate_up.shape
    return rows_product(
        x, gate_up, bias, active, gate, stride=projections * depth, first=first, rows=rows, neurons=neurons, mode=mode,
        kind=ACTIVATIONS[activation],
    )  # fmt: skip


def mlp_down(
    hidden: torch.Tensor, down_t: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_down`."""
    (tokens, picked), width = hidden.shape, down_t.shape[1]
    if tokens > MOST_TOKENS or picked == 0:
        return reference.mlp_down(hidden, down_t, bias, active)
    device, sizes = device_info(hidden.device), (picked, width, tokens, hidden.element_size())
    codes, scales, bits, shift = stored(down_t)
    usual = down_config(*sizes, device, codes=bits <= 8)
    config = usual if bits <= 8 else tuned.chosen("down", sizes, device.name, usual)
    shares = torch.empty(config.splits, tokens, width, device=hidden.device)
    columns = triton.cdiv(width, config.columns)
    down_kernel[(columns, config.splits)](
        hidden.contiguous(), codes, scales, codes if active is None else active, shares, picked, width, tokens,
        triton.cdiv(picked, config.splits), BITS=bits, SHIFT=shift, PICKED=active is not None,
        BLOCK_D=config.columns, BLOCK_A=config.neurons, BLOCK_N=config.tokens, num_warps=config.warps,
        num_stages=config.stages, enable_fp_fusion=True,
    )  # fmt: skip
    out = torch.empty(tokens, width, dtype=hidden.dtype, device=hidden.device)
    sum_kernel[(columns, tokens)](
        shares, codes if bias is None else bias, out, width, tokens, config.splits, BIASED=bias is not None,
        BLOCK_D=config.columns, enable_fp_fusion=True,
    )  # fmt: skip
    return out


@triton.jit
def down_kernel(  # type: ignore[no-untyped-def]
    hidden, down_t, scales, active, shares, picked, width, tokens, share,
    BITS: tl.constexpr, SHIFT: tl.constexpr, PICKED: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """``shares[split, tokens, width]``: each split adds up its ``share`` of the neuron rows, scaled by ``hidden``.

    Sums are fp32 and in a fixed order, so that a result does not depend on which block runs first.
    """
    column = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    inside = column < width
    split = tl.program_id(1)
    token = tl.arange(0, BLOCK_N)
    top = min(picked, (split + 1) * share)
    if BLOCK_N == 1:
        sums = tl.zeros((BLOCK_A, BLOCK_D), tl.float32)
    else:
        sums = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    for base in range(split * share, top, BLOCK_A):
        place = base + tl.arange(0, BLOCK_A)
        live = place < top
        neuron = tl.load(active + place, mask=live, other=0) if PICKED else place
        begin, both = neuron.to(tl.int64)[:, None] * width, live[:, None] & inside[None, :]
        rows = load_weights(down_t, scales, begin, column[None, :], both, BITS, SHIFT)
        if BLOCK_N == 1:
            scale = tl.load(hidden + place, mask=live, other=0.0).to(tl.float32)
            sums += scale[:, None] * rows.to(tl.float32)
        else:
            at = token.to(tl.int64)[:, None] * picked + place[None, :]
            scale = tl.load(hidden + at, mask=(token < tokens)[:, None] & live[None, :], other=0.0)
            sums = tl.dot(scale, rows.to(scale.dtype), sums, input_precision="ieee")
    if BLOCK_N == 1:
        tl.store(shares + split * width + column, tl.sum(sums, 0), mask=inside)
    else:
        at = (split * tokens + token).to(tl.int64)[:, None] * width + column[None, :]
        tl.store(shares + at, sums, mask=(token < tokens)[:, None] & inside[None, :])


@triton.jit
def sum_kernel(shares, bias, out, width, tokens, splits, BIASED: tl.constexpr, BLOCK_D: tl.constexpr):  # type: ignore[no-untyped-def]
    """``out[tokens, width]``: the sum of ``shares[splits, tokens, width]`` and ``bias[width]``."""
    column = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    inside = column < width
    token = tl.program_id(1)
    total = tl.zeros((BLOCK_D,), tl.float32)
    for split in range(splits):
        total += tl.load(shares + (split * tokens + token).to(tl.int64) * width + column, mask=inside, other=0.0)
    if BIASED:
        total += tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token.to(tl.int64) * width + column, total.to(out.dtype.element_ty), mask=inside)
