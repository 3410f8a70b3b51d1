"""The two halves of a neuron-sparse MLP on a GPU."""

import torch
import triton
import triton.language as tl

from sirius_kernels import tuned
from sirius_kernels.contracts import Activation, Onto, added
from sirius_kernels.device import device_info
from sirius_kernels.gpu_chain import chained, follow
from sirius_kernels.gpu_config import MOST_TOKENS, down_config
from sirius_kernels.gpu_last import counters, last_of
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
    hidden: torch.Tensor,
    down_t: Weight,
    bias: torch.Tensor | None,
    active: torch.Tensor | None,
    onto: Onto | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_down`."""
    (tokens, picked), width = hidden.shape, down_t.shape[1]
    if tokens > MOST_TOKENS or picked == 0:
        result = reference.mlp_down(hidden, down_t, bias, active)
        return added(result, onto)
    device, sizes = device_info(hidden.device), (picked, width, tokens, hidden.element_size())
    codes, scales, bits, shift = stored(down_t)
    usual = down_config(*sizes, device, codes=bits <= 8)
    config = usual if bits <= 8 else tuned.chosen("down", sizes, device.name, usual)
    shares = torch.empty(config.splits, tokens, width, device=hidden.device)
    out = torch.empty(tokens, width, dtype=hidden.dtype, device=hidden.device) if onto is None else onto.sum
    down_kernel[(triton.cdiv(width, config.columns), config.splits)](
        hidden.contiguous(), codes, scales, codes if active is None else active, shares,
        counters(hidden.device), codes if bias is None else bias, out, picked, width, tokens,
        triton.cdiv(picked, config.splits), 1.0 if onto is None else onto.scale, BITS=bits, SHIFT=shift,
        PICKED=active is not None, BIASED=bias is not None, ONTO=onto is not None, BLOCK_D=config.columns,
        BLOCK_A=config.neurons, BLOCK_N=config.tokens, STAGES=config.stages, num_warps=config.warps,
        num_stages=config.stages, enable_fp_fusion=True, **chained(device),
    )  # fmt: skip
    return out


@triton.jit
def down_kernel(  # type: ignore[no-untyped-def]
    hidden, down_t, scales, active, shares, done, bias, out, picked, width, tokens, share, scale,
    BITS: tl.constexpr, SHIFT: tl.constexpr, PICKED: tl.constexpr, BIASED: tl.constexpr, ONTO: tl.constexpr,
    CHAINED: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_N: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """``out[tokens, width]``: the neuron rows, scaled by ``hidden``, and ``bias[width]``.

    Each split adds up its ``share`` of the rows into ``shares[split, tokens, width]``; whichever ends last for its
    columns adds these up. Sums are fp32 and in a fixed order, so a result does not depend on which block that is. With
    ``ONTO`` it is added to ``out``, times ``scale``. The first rows are fetched while the kernel before still computes
    ``hidden``.
    """
    column = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    split, splits = tl.program_id(1), tl.num_programs(1)
    low = split * share
    top = min(picked, low + share)
    token = tl.arange(0, BLOCK_N)
    rows = _neuron_rows(down_t, scales, active, low, top, column, width, BITS, SHIFT, PICKED, BLOCK_A)
    follow(CHAINED)
    if BLOCK_N == 1:
        sums = _factors(hidden, low, top, token, tokens, picked, BLOCK_A).to(tl.float32).trans() * rows.to(tl.float32)
        for base in tl.range(low + BLOCK_A, top, BLOCK_A, num_stages=STAGES):
            rows = _neuron_rows(down_t, scales, active, base, top, column, width, BITS, SHIFT, PICKED, BLOCK_A)
            factors = _factors(hidden, base, top, token, tokens, picked, BLOCK_A).to(tl.float32)
            sums += factors.trans() * rows.to(tl.float32)
        total = tl.sum(sums, 0)[None, :]
    else:
        factors = _factors(hidden, low, top, token, tokens, picked, BLOCK_A)
        nothing = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
        total = tl.dot(factors, rows.to(factors.dtype), nothing, input_precision="ieee")
        for base in tl.range(low + BLOCK_A, top, BLOCK_A, num_stages=STAGES):
            rows = _neuron_rows(down_t, scales, active, base, top, column, width, BITS, SHIFT, PICKED, BLOCK_A)
            factors = _factors(hidden, base, top, token, tokens, picked, BLOCK_A)
            total = tl.dot(factors, rows.to(factors.dtype), total, input_precision="ieee")
    at = token.to(tl.int64)[:, None] * width + column[None, :]
    inside = (token < tokens)[:, None] & (column < width)[None, :]
    plane = tokens * width
    last = True
    if splits > 1:
        tl.store(shares + split * plane + at, total, mask=inside)
        last = last_of(done + tl.program_id(0), splits)
    if last:
        if splits > 1:
            total = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
            for other in range(splits):
                total += tl.load(shares + other * plane + at, mask=inside, other=0.0, cache_modifier=".cg")
        if BIASED:
            total += tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)[None, :]
        if ONTO:
            total = tl.load(out + at, mask=inside, other=0.0).to(tl.float32) + scale * total
        tl.store(out + at, total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _factors(hidden, base, top, token, tokens, picked, BLOCK_A: tl.constexpr):  # type: ignore[no-untyped-def]
    """``[BLOCK_N, BLOCK_A]``: what the rows of the neurons from ``base`` on are multiplied with, for each token."""
    place = base + tl.arange(0, BLOCK_A)
    at = token.to(tl.int64)[:, None] * picked + place[None, :]
    return tl.load(hidden + at, mask=(token < tokens)[:, None] & (place < top)[None, :], other=0.0)


@triton.jit
def _neuron_rows(  # type: ignore[no-untyped-def]
    down_t, scales, active, base, top, column, width,
    BITS: tl.constexpr, SHIFT: tl.constexpr, PICKED: tl.constexpr, BLOCK_A: tl.constexpr,
):  # fmt: skip
    """``column`` of the down rows of ``BLOCK_A`` neurons from the ``base``-th on; 0 from ``top`` on."""
    place = base + tl.arange(0, BLOCK_A)
    live = place < top
    neuron = tl.load(active + place, mask=live, other=0) if PICKED else place
    begin, both = neuron.to(tl.int64)[:, None] * width, live[:, None] & (column < width)[None, :]
    return load_weights(down_t, scales, begin, column[None, :], both, BITS, SHIFT)
