"""Half a layer in one compiled call against the single ops of the reference, on odd shapes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_trees import paths_of, random_parents

from sirius_kernels.block.op import MOST_TOKENS, AttentionBlock, MlpBlock
from sirius_kernels.block.weights import Around, AttentionWeights, MlpWeights, Norm
from sirius_kernels.contracts import ContractError
from sirius_kernels.mlp.op import mlp_down, mlp_hidden
from sirius_kernels.quant.matrix import ByOutput
from sirius_kernels.quant.rounding import quantised
from sirius_kernels.testing import assert_close

SIZES = st.sampled_from([4, 24, 66])
fuzz = settings(max_examples=60, deadline=None)


@st.composite
def arounds(draw, width, g):
    def norm():
        centred = draw(st.booleans())
        weight = torch.randn(width, generator=g) if draw(st.booleans()) else None
        bias = torch.randn(width, generator=g) if centred and draw(st.booleans()) else None
        return Norm(weight, bias, 1e-5, centred) if draw(st.booleans()) else None

    return Around(norm(), norm(), draw(st.sampled_from([1.0, 0.22])))


@st.composite
def attentions(draw):
    g = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    batch, steps, width, head_dim = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 5, 17])), draw(SIZES), 8
    kv_heads, group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stacked = (kv_heads * (group + 2)) * head_dim

    def bias(size):
        return torch.randn(size, generator=g) if draw(st.booleans()) else None

    weights = AttentionWeights(
        torch.randn(stacked, width, generator=g), bias(stacked),
        torch.randn(width, kv_heads * group * head_dim, generator=g), bias(width), head_dim, 0.3,
        draw(st.sampled_from([None, 3])), draw(st.sampled_from([None, 5.0])),
    )  # fmt: skip
    start = torch.randint(0, 5, (batch,), generator=g)
    tree = paths_of(random_parents(steps, g)) if draw(st.booleans()) else None
    turns = torch.randn(batch, steps, 1, 2, dtype=torch.complex64, generator=g) if draw(st.booleans()) else None
    rows = torch.randperm(batch + 1, generator=g)[:batch] if draw(st.booleans()) else None
    caches = [torch.randn(batch + 1, kv_heads, 8 + steps, head_dim, generator=g) for _ in range(2)]
    x = torch.randn(batch * steps, width, generator=g)
    return x, weights, draw(arounds(width, g)), batch, turns, caches, rows, start, tree


@fuzz
@given(attentions())
def test_attention(case):
    x, weights, around, batch, turns, caches, rows, start, tree = case
    seen = {impl: (x.clone(), *(cache.clone() for cache in caches)) for impl in ("torch", "numba")}
    for impl, (sums, k, v) in seen.items():
        AttentionBlock(weights, around, impl)(sums, batch, turns, k, v, rows, start, tree)
    for got, expected in zip(seen["numba"], seen["torch"], strict=True):
        assert_close(got, expected, worst=1e-3, rms=1e-5, floor=1.0)


def test_what_adjusts_queries_and_keys_is_not_left_out():
    g = torch.Generator().manual_seed(0)
    weights = AttentionWeights(
        torch.randn(32, 24, generator=g), None, torch.randn(24, 16, generator=g), None, 8, 0.3, None, None
    )  # fmt: skip
    x, sums = torch.randn(2, 24, generator=g), {}
    for impl in ("torch", "numba"):
        sums[impl], caches = x.clone(), (torch.zeros(1, 1, 4, 8), torch.zeros(1, 1, 4, 8))
        block = AttentionBlock(weights, Around(), impl, lambda qkv: qkv[:, :, :3].mul_(0.1))
        block(sums[impl], 1, None, *caches, None, torch.tensor([0]))
    assert_close(sums["numba"], sums["torch"], worst=1e-4, rms=1e-5)


@st.composite
def mlps(draw):
    g = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    bits, tokens = draw(st.sampled_from([32, 8, 4])), draw(st.sampled_from([1, 2, 7, MOST_TOKENS, MOST_TOKENS + 1]))
    width, neurons = draw(SIZES) if bits == 32 else 64, 64 if bits < 32 else draw(st.sampled_from([1, 15, 64, 131]))
    gate_up = torch.randn(neurons, draw(st.sampled_from([1, 2])), width, generator=g)
    down_t = torch.randn(neurons, width, generator=g)
    biased, by_output = draw(st.booleans()), draw(st.booleans())
    weights = MlpWeights(
        gate_up, torch.randn(*gate_up.shape[:2], generator=g) if biased else None, down_t,
        torch.randn(width, generator=g) if biased else None, draw(st.sampled_from(["silu", "gelu_tanh"])),
    )  # fmt: skip
    if bits < 32:
        down = ByOutput(quantised(down_t.t().contiguous(), bits, 32)) if by_output else quantised(down_t, bits, 32)
        weights = replace(weights, gate_up=quantised(gate_up, bits, 32), down_t=down)
    active = torch.randperm(neurons, generator=g)[: max(1, neurons // 2)].sort().values.to(torch.int32)
    if isinstance(weights.down_t, ByOutput) or draw(st.booleans()):
        active = None
    around = draw(arounds(width, g))
    # A norm would magnify a single neuron's activation however tiny it is, and with it how that was rounded.
    assume(neurons > 1 or around.after is None)
    return torch.randn(tokens, width, generator=g), weights, around, active, bits


@fuzz
@given(mlps())
def test_mlp(case):
    x, weights, around, active, bits = case
    got, by_ops, expected = x.clone(), x.clone(), x.clone()
    block = MlpBlock(weights, around, "numba")
    block(got, active)

    def branch(x, onto):
        hidden = mlp_hidden(
            x, weights.gate_up, weights.bias, activation=weights.activation, active=active, impl="numba"
        )  # fmt: skip
        return mlp_down(hidden, weights.down_t, weights.down_bias, active=active, onto=onto, impl="numba")

    block.around(by_ops, branch)
    assert_close(got, by_ops, worst=1e-4, rms=1e-5, floor=1.0)
    if bits == 32:
        MlpBlock(weights, around, "torch")(expected, active)
        assert_close(got, expected, worst=1e-3, rms=1e-5, floor=1.0)


def test_what_does_not_fit_is_refused_before_memory_is_touched():
    weights = MlpWeights(torch.randn(6, 2, 8), None, torch.randn(6, 8), None, "silu")
    block = MlpBlock(weights, Around(), "numba")
    for x in (torch.zeros(1, 7), torch.zeros(1, 8, dtype=torch.float64), torch.zeros(8, 2).t()):
        with pytest.raises(ContractError, match="expected contiguous"):
            block(x)
    with pytest.raises(ContractError, match="expected torch"):
        block(torch.zeros(1, 8), torch.tensor([0]))
    attention = AttentionWeights(torch.randn(32, 8), None, torch.randn(8, 16), None, 8, 1.0, None, None)
    for k, v in (((1, 1, 4, 8), (1, 1, 5, 8)), ((1, 1, 4, 4), (1, 1, 4, 4)), ((1, 2, 4, 8), (1, 2, 4, 8))):
        with pytest.raises(ContractError, match="do not fit the block"):
            AttentionBlock(attention, Around(), "numba")(
                torch.zeros(1, 8), 1, None, torch.zeros(k), torch.zeros(v), None, torch.tensor([0])
            )  # fmt: skip
