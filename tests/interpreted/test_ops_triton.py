"""The Triton kernels against the torch references, on odd shapes, in Triton's interpreter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import paths_of, random_parents

from sirius_kernels.attention.op import attention
from sirius_kernels.contracts import Onto
from sirius_kernels.gpu_config import MOST_TOKENS
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.norm.op import normalise
from sirius_kernels.peaks.op import peaks
from sirius_kernels.quant.rounding import quantised, rounded_activations
from sirius_kernels.select.op import select_rows
from sirius_kernels.testing import assert_close

TOKENS = st.sampled_from([1, 2, 3, 15, 16, 17, 63, MOST_TOKENS, MOST_TOKENS + 1])
SIZES = st.sampled_from([1, 2, 3, 15, 16, 17, 31, 48, 63, 65, 131, 600])
ACTIVATIONS = st.sampled_from(["silu", "gelu_tanh", "gelu", "relu"])
fuzz = settings(max_examples=8, deadline=None)
TOLERANCE = {"worst": 1e-4, "rms": 3e-5}  # a result may have two numbers, one of them a small difference


def generator(seed):
    return torch.Generator().manual_seed(seed)


def agree(op, *arguments, **options):
    """``op`` gives the same by its kernels as by its reference."""
    assert_close(op(*arguments, **options, impl="triton"), op(*arguments, **options, impl="torch"), **TOLERANCE)


@fuzz
@given(tokens=TOKENS, depth=SIZES, outputs=SIZES, biased=st.booleans(), seed=st.integers(0, 99))
def test_linear(tokens, depth, outputs, biased, seed):
    g = generator(seed)
    bias = torch.randn(outputs, generator=g) if biased else None
    agree(linear, torch.randn(tokens, depth, generator=g), torch.randn(outputs, depth, generator=g), bias)


@fuzz
@given(
    tokens=TOKENS,
    width=SIZES,
    neurons=SIZES,
    projections=st.sampled_from([1, 2]),
    kind=ACTIVATIONS,
    biased=st.booleans(),
    share=st.sampled_from([None, 0.0, 0.01, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 99),
)
def test_mlp(tokens, width, neurons, projections, kind, biased, share, seed):
    g = generator(seed)
    x = torch.randn(tokens, width, generator=g) * width**-0.5  # products near 1, where activations have no tails
    gate_up = torch.randn(neurons, projections, width, generator=g)
    bias = torch.randn(neurons, projections, generator=g) if biased else None
    down_t, down_bias = torch.randn(neurons, width, generator=g), torch.randn(width, generator=g) if biased else None
    count = neurons if share is None else int(share * neurons)
    active = None if share is None else torch.randperm(neurons, generator=g)[:count].sort().values.to(torch.int32)
    agree(mlp_hidden, x, gate_up, bias, activation=kind, active=active)
    agree(mlp_gate, x, gate_up, bias, activation=kind)
    gate = mlp_gate(x, gate_up, bias, activation=kind, impl="torch")
    agree(mlp_up, x, gate, gate_up, bias, active=active)
    agree(mlp_down, torch.randn(tokens, count, generator=g), down_t, down_bias, active=active)


@fuzz
@given(
    tokens=st.sampled_from([1, 2, 17, MOST_TOKENS + 1]),
    neurons=st.sampled_from([3, 40]),
    projections=st.sampled_from([1, 2]),
    bits=st.sampled_from([4, 8]),
    group=st.sampled_from([32, 64, 128]),
    kind=ACTIVATIONS,
    share=st.sampled_from([None, 0.5]),
    seed=st.integers(0, 99),
)
def test_quantised_weights(tokens, neurons, projections, bits, group, kind, share, seed):
    g, width = generator(seed), 3 * max(64, group)
    x = torch.randn(tokens, width, generator=g) * width**-0.5  # products near 1, where activations have no tails
    gate_up = quantised(torch.randn(neurons, projections, width, generator=g), bits, group)
    down_t = quantised(torch.randn(neurons, width, generator=g), bits, group)
    count = neurons if share is None else int(share * neurons)
    active = None if share is None else torch.randperm(neurons, generator=g)[:count].sort().values.to(torch.int32)
    met = rounded_activations(x) if tokens == 1 else x  # by codes: products of bytes

    def agree_by_codes(op, *arguments, **options):
        expected = op(met, *arguments, **options, impl="torch")
        assert_close(op(x, *arguments, **options, impl="triton"), expected, **TOLERANCE)

    agree_by_codes(linear, down_t)
    agree_by_codes(mlp_hidden, gate_up, activation=kind, active=active)
    agree_by_codes(mlp_gate, gate_up, activation=kind)
    gate = mlp_gate(x, gate_up, activation=kind, impl="torch")
    agree_by_codes(mlp_up, gate, gate_up, active=active)
    agree(mlp_down, torch.randn(tokens, count, generator=g), down_t, active=active)


@pytest.mark.parametrize(("bits", "group", "depth"), [(4, 128, 2176), (8, 32, 4160)])
def test_a_token_and_quantised_rows_of_many_steps(bits, group, depth):
    g = generator(depth)
    x, bias = torch.randn(1, depth, generator=g), torch.randn(5, generator=g)
    weight, total = quantised(torch.randn(5, depth, generator=g), bits, group), torch.randn(1, 5, generator=g)
    expected = total + 0.5 * linear(rounded_activations(x), weight, bias, impl="torch")
    assert_close(linear(x, weight, bias, onto=Onto(total, 0.5), impl="triton"), expected, **TOLERANCE)


@pytest.mark.parametrize("tokens", [1, 5, 20])
def test_every_neuron_active_is_dense_and_the_order_of_the_list_does_not_matter(tokens):
    g = generator(1)
    x, gate_up = torch.randn(tokens, 24, generator=g), torch.randn(40, 2, 24, generator=g)
    down_t = torch.randn(40, 24, generator=g)
    dense = mlp_hidden(x, gate_up, activation="silu", impl="triton")
    every, shuffled = torch.arange(40, dtype=torch.int32), torch.randperm(40, generator=g).to(torch.int32)
    assert torch.equal(mlp_hidden(x, gate_up, activation="silu", active=every, impl="triton"), dense)
    assert torch.equal(mlp_down(dense, down_t, active=every, impl="triton"), mlp_down(dense, down_t, impl="triton"))
    mixed = mlp_hidden(x, gate_up, activation="silu", active=shuffled, impl="triton")
    assert_close(
        mlp_down(mixed, down_t, active=shuffled, impl="triton"), mlp_down(dense, down_t, impl="triton"), **TOLERANCE
    )


@fuzz
@given(
    tokens=st.integers(1, 5),
    width=SIZES,
    weighted=st.booleans(),
    biased=st.booleans(),
    centred=st.booleans(),
    seed=st.integers(0, 99),
)
def test_normalise(tokens, width, weighted, biased, centred, seed):
    g = generator(seed)
    x = torch.randn(tokens, width, generator=g) + 3
    weight = torch.randn(width, generator=g) if weighted else None
    bias = torch.randn(width, generator=g) if biased and centred else None
    agree(normalise, x, weight, bias, eps=1e-5, centred=centred)


@fuzz
@given(
    scores=st.one_of(
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=300),
        st.lists(st.integers(-2, 2).map(float), min_size=1, max_size=300),
    ),
    copies=st.sampled_from([1, 1, 9]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    magnitude=st.booleans(),
    share=st.floats(0, 1),
)
def test_select_rows(scores, copies, dtype, magnitude, share):
    values = torch.tensor(scores * copies).to(dtype).nan_to_num()
    count = int(share * len(values))
    got, expected = (select_rows(values, count, magnitude=magnitude, impl=impl) for impl in ("triton", "torch"))
    assert torch.equal(got, expected)


@fuzz
@given(
    rows=st.integers(1, 3),
    vocabulary=st.sampled_from([1, 5, 2047, 2049, 5000]),
    temperature=st.sampled_from([1.0, 0.6]),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_peaks(rows, vocabulary, temperature, ties, seed):
    logits = 5 * torch.randn(rows, vocabulary, generator=generator(seed))
    logits = logits.round() if ties else logits
    got, expected = (peaks(logits, temperature=temperature, impl=impl) for impl in ("triton", "torch"))
    assert torch.equal(got.token, expected.token)
    for name in ("probability", "normaliser", "warm", "entropy"):
        assert_close(getattr(got, name), getattr(expected, name), worst=1e-3, rms=1e-4)


@fuzz
@given(tokens=TOKENS, width=SIZES, outputs=SIZES, scale=st.sampled_from([1.0, 0.25]), seed=st.integers(0, 99))
def test_results_are_added_onto_a_sum(tokens, width, outputs, scale, seed):
    g = generator(seed)
    x, weight, base = (
        torch.randn(*shape, generator=g) for shape in ((tokens, width), (outputs, width), (tokens, outputs))
    )
    hidden, down_t = torch.randn(tokens, width, generator=g), torch.randn(width, outputs, generator=g)
    for op, arguments in ((linear, (x, weight)), (mlp_down, (hidden, down_t))):
        got, expected = base.clone(), base.clone()
        op(*arguments, onto=Onto(got, scale), impl="triton")
        op(*arguments, onto=Onto(expected, scale), impl="torch")
        assert_close(got, expected, **TOLERANCE)


@fuzz
@given(
    batch=st.integers(1, 3),
    steps=st.sampled_from([1, 2, 3, 16, 17]),
    kv_heads=st.integers(1, 2),
    group=st.integers(1, 3),
    head_dim=st.sampled_from([4, 8, 24, 66]),
    window=st.sampled_from([None, 1, 5, 64]),
    softcap=st.sampled_from([None, 5.0]),
    pairs=st.sampled_from([None, 1, 2]),
    subset=st.booleans(),
    held=st.sampled_from([1, 20, 300]),
    seed=st.integers(0, 99),
)
def test_attention(batch, steps, kv_heads, group, head_dim, window, softcap, pairs, subset, held, seed):
    g = generator(seed)
    start = torch.randint(0, held, (batch,), generator=g)
    qkv = torch.randn(batch, steps, kv_heads * (group + 2), head_dim, generator=g)
    turns = None if pairs is None else torch.randn(batch, steps, 1, pairs, dtype=torch.complex64, generator=g)
    shape = (batch + 1, kv_heads, held + steps + 3, head_dim)
    rows = torch.randperm(batch + 1, generator=g)[:batch] if subset else None
    caches = [torch.full(shape, float("nan")) for _ in range(2)]  # slots that nobody wrote must not show
    for row, length in enumerate(start.tolist()):
        place = row if rows is None else int(rows[row])
        for cache in caches:
            cache[place, :, :length] = torch.randn(kv_heads, length, head_dim, generator=g)
    kept = {impl: [cache.clone() for cache in caches] for impl in ("torch", "triton")}
    outs = {
        impl: attention(
            qkv.clone(), turns, *both, rows, start, scale=head_dim**-0.5, window=window, softcap=softcap, impl=impl
        )
        for impl, both in kept.items()
    }
    assert_close(outs["triton"], outs["torch"], **TOLERANCE)
    for got, expected in zip(kept["triton"], kept["torch"], strict=True):
        assert torch.equal(got.isnan(), expected.isnan())
        assert_close(got.nan_to_num(), expected.nan_to_num())


@fuzz
@given(
    nodes=st.sampled_from([1, 2, 9, 40]),
    earlier=st.integers(0, 8),
    group=st.integers(1, 3),
    head_dim=st.sampled_from([8, 66]),
    window=st.sampled_from([None, 1, 3, 64]),
    softcap=st.sampled_from([None, 5.0]),
    held=st.sampled_from([0, 20, 300]),
    seed=st.integers(0, 99),
)
def test_attention_over_a_tree(nodes, earlier, group, head_dim, window, softcap, held, seed):
    """``earlier`` nodes were written by another pass."""
    g = generator(seed)
    tree, first = paths_of(random_parents(nodes, g)), min(earlier, nodes - 1)
    qkv = torch.randn(2, nodes - first, 2 * (group + 2), head_dim, generator=g)
    start = torch.tensor([held + first, held + first + 2])
    caches = [torch.full((2, 2, held + nodes + 5, head_dim), float("nan")) for _ in range(2)]
    for cache in caches:
        for row, length in enumerate(start.tolist()):
            cache[row, :, :length] = torch.randn(2, length, head_dim, generator=g)
    kept = {impl: [cache.clone() for cache in caches] for impl in ("torch", "triton")}
    outs = {
        impl: attention(
            qkv.clone(), None, *both, None, start, scale=head_dim**-0.5, window=window, softcap=softcap,
            tree=tree[first:].contiguous(), impl=impl,
        )
        for impl, both in kept.items()
    }  # fmt: skip
    assert_close(outs["triton"], outs["torch"], **TOLERANCE)
    for got, expected in zip(kept["triton"], kept["torch"], strict=True):
        assert torch.equal(got.isnan(), expected.isnan())
