"""The compiled CPU kernels against the torch references, on odd shapes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sirius_kernels import cpu_blas
from sirius_kernels.attention.op import attention
from sirius_kernels.bandwidth.op import read_bandwidth, read_sum
from sirius_kernels.contracts import ContractError
from sirius_kernels.cpu_blas import MANY_TOKENS
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.norm.op import normalise
from sirius_kernels.select.op import select_rows
from sirius_kernels.testing import assert_close

TOKENS = st.sampled_from([1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 47, MANY_TOKENS, 70])
SIZES = st.sampled_from([1, 2, 3, 15, 16, 17, 31, 48, 63, 65, 131])
KINDS = st.sampled_from([torch.float32, torch.bfloat16, torch.float16])  # of weights
ACTIVATIONS = st.sampled_from(["silu", "gelu_tanh", "gelu", "relu"])
fuzz = settings(max_examples=60, deadline=None)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@fuzz
@given(
    tokens=TOKENS, depth=SIZES, outputs=SIZES, biased=st.booleans(), blas=st.booleans(), kind=KINDS,
    seed=st.integers(0, 99),
)  # fmt: skip
def test_linear(tokens, depth, outputs, biased, blas, kind, seed):
    g = generator(seed)
    x, weight = torch.randn(tokens, depth, generator=g), torch.randn(outputs, depth, generator=g).to(kind)
    bias = torch.randn(outputs, generator=g) if biased else None
    with many_tokens_by(blas):
        result = linear(x, weight, bias, impl="numba")
    assert_close(result, linear(x, weight, bias, impl="torch"), worst=1e-4, rms=1e-5)


@contextmanager
def many_tokens_by(blas: bool) -> Iterator[None]:
    """Whether torch's BLAS or our tiles take products of many tokens, whichever is faster here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_blas, "PAYS", blas)
        yield


@st.composite
def mlps(draw):
    tokens, width, neurons, stored = draw(TOKENS), draw(SIZES), draw(SIZES), draw(KINDS)
    projections, kind, seed = draw(st.sampled_from([1, 2])), draw(ACTIVATIONS), draw(st.integers(0, 99))
    g = generator(seed)
    x = torch.randn(tokens, width, generator=g)
    gate_up = torch.randn(neurons, projections, width, generator=g).to(stored)
    bias = torch.randn(neurons, projections, generator=g) if draw(st.booleans()) else None
    down_t = torch.randn(neurons, width, generator=g).to(stored)
    down_bias = torch.randn(width, generator=g) if draw(st.booleans()) else None
    count = draw(st.sampled_from(sorted({0, 1, min(15, neurons), min(16, neurons), neurons // 2, neurons})))
    active = torch.randperm(neurons, generator=g)[:count].sort().values.to(torch.int32)
    return x, gate_up, bias, down_t, down_bias, kind, active if draw(st.booleans()) else None


@fuzz
@given(mlps(), st.booleans())
def test_mlp_halves(case, blas):
    x, gate_up, bias, down_t, down_bias, kind, active = case
    expected = mlp_hidden(x, gate_up, bias, activation=kind, active=active, impl="torch")
    with many_tokens_by(blas):
        hidden = mlp_hidden(x, gate_up, bias, activation=kind, active=active, impl="numba")
        down = mlp_down(expected, down_t, down_bias, active=active, impl="numba")
    assert_close(hidden, expected, worst=1e-4, rms=1e-5, floor=1.0)
    assert_close(
        down,
        mlp_down(expected, down_t, down_bias, active=active, impl="torch"),
        worst=1e-4,
        rms=1e-5,
        floor=1.0,
    )


@fuzz
@given(mlps())
def test_mlp_gate_then_up(case):
    x, gate_up, bias, _, _, kind, active = case
    gate = mlp_gate(x, gate_up, bias, activation=kind, impl="torch")
    assert_close(mlp_gate(x, gate_up, bias, activation=kind, impl="numba"), gate, worst=1e-4, rms=1e-5, floor=1.0)
    if active is not None:
        assert_close(
            mlp_up(x, gate, gate_up, bias, active=active, impl="numba"),
            mlp_up(x, gate, gate_up, bias, active=active, impl="torch"),
            worst=1e-4,
            rms=1e-5,
            floor=1.0,
        )


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("tokens", [1, 2, 7, 12, 13, 32])
def test_weights_of_16_bits_give_what_the_same_in_32_give(tokens, kind):
    """To the bit where sums are made in the same order."""
    g = generator(5)
    x, weight = torch.randn(tokens, 192, generator=g), torch.randn(70, 192, generator=g).to(kind)
    got = linear(x, weight, impl="numba")
    assert_close(got, linear(x, weight.float(), impl="numba"), worst=1e-5, rms=1e-6)
    if tokens < 6:
        assert torch.equal(got, linear(x, weight.float(), impl="numba"))


def test_matrix_units_lose_no_more_than_fp32():
    """Where there are none, the same products go to vectors."""
    g = generator(6)
    for tokens, neurons, width in [(6, 64, 64), (13, 67, 192), (16, 300, 576), (33, 96, 1536)]:
        x = torch.randn(tokens, width, generator=g) * torch.randn(tokens, 1, generator=g).exp()
        gate_up = torch.randn(neurons, 2, width, generator=g).bfloat16()
        bias, gate = torch.randn(neurons, 2, generator=g), torch.randn(tokens, neurons, generator=g)

        def products(dtype, impl, x=x, gate_up=gate_up, bias=bias, gate=gate):
            weight, computed = gate_up.to(dtype), torch.promote_types(dtype, x.dtype)
            wide, added, factors = x.to(computed), bias.to(computed), gate.to(computed)
            yield linear(wide, weight.flatten(0, 1), added.flatten(), impl=impl)
            yield mlp_hidden(wide, weight, added, activation="silu", impl=impl)
            yield mlp_gate(wide, weight, added, activation="gelu_tanh", impl=impl)
            yield mlp_up(wide, factors, weight, added, impl=impl)

        ways = (torch.float64, "torch"), (torch.bfloat16, "numba"), (torch.float32, "numba")
        for exact, kept, widened in zip(*(products(*way) for way in ways), strict=True):
            errors = [(one.double() - exact).abs().max() for one in (kept, widened)]
            assert errors[0] <= 1.5 * errors[1] + 1e-6 * exact.abs().max()


@pytest.mark.parametrize("impl", ["torch", "numba"])
@pytest.mark.parametrize("tokens", [1, 3, MANY_TOKENS])
@pytest.mark.parametrize("active", [None, torch.tensor([0, 4, 29], dtype=torch.int32)])
def test_gate_and_up_make_the_hidden_activations(impl, tokens, active):
    g = generator(0)
    x, gate_up = torch.randn(tokens, 20, generator=g), torch.randn(30, 2, 20, generator=g)
    gate = mlp_gate(x, gate_up, activation="silu", impl=impl)
    by_steps = mlp_up(x, gate, gate_up, active=active, impl=impl)
    at_once = mlp_hidden(x, gate_up, activation="silu", active=active, impl=impl)
    assert_close(by_steps, at_once)


@pytest.mark.parametrize("impl", ["torch", "numba"])
@pytest.mark.parametrize("tokens", [1, 5, 20])
def test_every_neuron_active_is_dense_and_none_is_zero(impl, tokens):
    g = generator(1)
    x, gate_up = torch.randn(tokens, 24, generator=g), torch.randn(40, 2, 24, generator=g)
    down_t = torch.randn(40, 24, generator=g)
    every, none = torch.arange(40, dtype=torch.int32), torch.empty(0, dtype=torch.int32)
    dense = mlp_hidden(x, gate_up, activation="silu", impl=impl)
    assert torch.equal(mlp_hidden(x, gate_up, activation="silu", active=every, impl=impl), dense)
    assert torch.equal(mlp_down(dense, down_t, active=every, impl=impl), mlp_down(dense, down_t, impl=impl))
    nothing = mlp_hidden(x, gate_up, activation="silu", active=none, impl=impl)
    assert nothing.shape == (tokens, 0)
    assert not mlp_down(nothing, down_t, active=none, impl=impl).any()


@fuzz
@given(
    batch=st.integers(1, 3),
    steps=st.sampled_from([1, 2, 3, 16, 17, 35]),
    kv_heads=st.integers(1, 3),
    group=st.integers(1, 3),
    head_dim=st.sampled_from([4, 8, 24, 66]),
    window=st.sampled_from([None, 1, 5, 64]),
    softcap=st.sampled_from([None, 5.0]),
    pairs=st.sampled_from([None, 1, 2]),
    subset=st.booleans(),
    seed=st.integers(0, 99),
)
def test_attention(batch, steps, kv_heads, group, head_dim, window, softcap, pairs, subset, seed):
    g = generator(seed)
    start = torch.randint(0, 20, (batch,), generator=g)
    qkv = torch.randn(batch, steps, kv_heads * (group + 2), head_dim, generator=g)
    turns = None if pairs is None else torch.randn(batch, steps, 1, pairs, dtype=torch.complex64, generator=g)
    shape = (batch + 1, kv_heads, 20 + steps + 3, head_dim)
    rows = torch.randperm(batch + 1, generator=g)[:batch] if subset else None
    k_cache, v_cache = torch.full(shape, float("nan")), torch.full(shape, float("nan"))
    for row in range(batch):  # slots that nobody wrote stay NaN, and must not show
        place, held = row if rows is None else int(rows[row]), int(start[row])
        k_cache[place, :, :held] = torch.randn(kv_heads, held, head_dim, generator=g)
        v_cache[place, :, :held] = torch.randn(kv_heads, held, head_dim, generator=g)
    caches = {impl: (k_cache.clone(), v_cache.clone()) for impl in ("torch", "numba")}
    outs = {
        impl: attention(
            qkv.clone(), turns, *both, rows, start, scale=head_dim**-0.5, window=window, softcap=softcap, impl=impl
        )
        for impl, both in caches.items()
    }
    assert_close(outs["numba"], outs["torch"], worst=1e-4, rms=1e-5)
    for got, expected in zip(caches["numba"], caches["torch"], strict=True):
        assert torch.equal(got.isnan(), expected.isnan())
        assert_close(got.nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize("impl", ["torch", "numba"])
def test_tokens_of_one_text_may_be_rows_of_their_own(impl):
    g = generator(4)
    qkv = torch.randn(1, 5, 4, 8, generator=g)
    together = torch.zeros(2, 1, 9, 8), torch.zeros(2, 1, 9, 8)
    apart = torch.zeros(2, 1, 9, 8), torch.zeros(2, 1, 9, 8)
    expected = attention(
        qkv.clone(), None, *together, torch.tensor([1]), torch.tensor([3]), scale=0.3, impl=impl
    )  # fmt: skip
    got = attention(
        qkv.transpose(0, 1).contiguous(), None, *apart, torch.ones(5, dtype=torch.int64), torch.arange(3, 8),
        scale=0.3, impl=impl,
    )  # fmt: skip
    assert_close(got.transpose(0, 1), expected)
    assert all(torch.equal(one, other) for one, other in zip(apart, together, strict=True))


def test_attention_reference_is_torch_attention():
    g = generator(3)
    q, k, v = (torch.randn(2, 7, 4, 16, generator=g) for _ in range(3))
    start = torch.zeros(2, dtype=torch.int64)
    caches = torch.empty(2, 4, 7, 16), torch.empty(2, 4, 7, 16)
    got = attention(torch.cat((q, k, v), dim=2), None, *caches, None, start, scale=0.25, impl="torch")
    expected = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, scale=0.25
    )
    assert_close(got, expected.transpose(1, 2))


@fuzz
@given(
    tokens=st.integers(1, 5),
    width=SIZES,
    centred=st.booleans(),
    weighted=st.booleans(),
    biased=st.booleans(),
    seed=st.integers(0, 99),
)
def test_normalise(tokens, width, centred, weighted, biased, seed):
    g = generator(seed)
    x = torch.randn(tokens, width, generator=g) * 3 + 1
    weight = torch.randn(width, generator=g) if weighted else None
    bias = torch.randn(width, generator=g) if biased and centred else None
    results = [normalise(x, weight, bias, eps=1e-5, centred=centred, impl=impl) for impl in ("numba", "torch")]
    assert_close(*results, worst=1e-4, rms=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linear(torch.ones(2, 3), torch.ones(4, 5), impl="numba"), r"x has shape \(2, 3\)"),
        (lambda: linear(torch.ones(2, 5).half(), torch.ones(4, 5), impl="numba"), "x is torch.float16"),
        (lambda: linear(torch.ones(2, 5).bfloat16(), torch.ones(4, 5).half(), impl="numba"), "x is torch.bfloat16"),
        (lambda: mlp_hidden(torch.ones(1, 4), torch.ones(6, 3, 4), activation="silu", impl="numba"), "3 projections"),
        (lambda: mlp_down(torch.ones(1, 5), torch.ones(6, 4), impl="numba"), r"hidden has shape \(1, 5\)"),
        (lambda: mlp_down(torch.ones(1, 4), torch.ones(6, 4).t(), impl="torch"), "strides"),
    ],
)
def test_refusals_name_the_argument(call, words):
    with pytest.raises(ContractError, match=words):
        call()


@fuzz
@given(st.lists(st.sampled_from([0.0, -1.0, 2.0, 2.5, 0.25]), min_size=1, max_size=80), st.data())
def test_select_rows(values, data):
    scores = torch.tensor(values)
    count = data.draw(st.integers(0, len(values)))
    chosen = select_rows(scores, count, impl="numba")
    assert torch.equal(chosen, select_rows(scores, count, impl="torch"))
    assert sorted(scores[chosen].tolist(), reverse=True) == sorted(values, reverse=True)[:count]


@fuzz
@given(st.lists(st.sampled_from([0.0, -1.0, 2.0, math.nan]), min_size=1, max_size=80), st.data())
def test_undefined_scores_come_first_and_choose_no_row_that_is_not_there(values, data):
    scores = torch.tensor(values)
    count = data.draw(st.integers(0, len(values)))
    assert torch.equal(select_rows(scores, count, impl="numba"), select_rows(scores, count, impl="torch"))


@pytest.mark.parametrize("count", [0, 1, 7, 4099])
def test_reading_memory_reads_all_of_it(count):
    data = torch.randn(count, generator=generator(count))
    assert read_sum(data, impl="numba") == pytest.approx(read_sum(data, impl="torch"), abs=1e-2)


def test_reading_memory_takes_time():
    assert read_bandwidth(torch.ones(1 << 16), impl="torch") > 0
