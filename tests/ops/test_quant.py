"""Quantised weights: their storage, their rounding, and the ops that compute with them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sirius_kernels.contracts import ContractError
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, ByOutput, QuantMatrix, packed
from sirius_kernels.quant.rounding import quantised, relative_error, rounded_activations
from sirius_kernels.testing import assert_close

FORMATS = st.sampled_from([(bits, group) for bits in (4, 8) for group in (32, 64, 128)])
TOKENS = st.sampled_from([1, 2, 7, 9, 16, 17, 70])
ACTIVATIONS = st.sampled_from(["silu", "gelu_tanh", "gelu", "relu"])
fuzz = settings(max_examples=60, deadline=None)


def random_matrix(shape, bits, group, g):
    codes = torch.randint(LOWEST[bits], HIGHEST[bits] + 1, shape, dtype=torch.int8, generator=g)
    scales = torch.rand(*shape[:-1], shape[-1] // group, generator=g).bfloat16()
    return codes, scales, packed(codes, scales, bits, group)


@fuzz
@given(FORMATS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_what_was_stored_is_what_it_stands_for(found, rows, blocks, seed):
    bits, group = found
    depth = blocks * max(64, group)
    codes, scales, matrix = random_matrix((rows, 2, depth), bits, group, torch.Generator().manual_seed(seed))
    expected = codes.float() * scales.float().repeat_interleave(group, -1)
    assert matrix.shape == (rows, 2, depth)
    assert torch.equal(matrix.dequantised(torch.float32), expected)
    assert matrix.nbytes == codes.numel() * bits // 8 + 2 * scales.numel()


def test_nibbles_lie_where_the_storage_order_says():
    codes = torch.arange(64).remainder(16).sub(8).to(torch.int8)
    words = packed(codes, torch.ones(1, dtype=torch.bfloat16), 4, 64).codes
    for word in range(8):
        for nibble in range(8):
            weight = 32 * (word // 4) + 4 * nibble + word % 4
            assert (int(words[word]) >> 4 * nibble) & 15 == int(codes[weight]) + 8


@fuzz
@given(
    FORMATS, st.integers(1, 5), TOKENS, st.sampled_from([1, 2]), ACTIVATIONS, st.booleans(), st.booleans(),
    st.integers(0, 99),
)  # fmt: skip
def test_ops_compute_with_the_weights_that_codes_stand_for(
    found, blocks, tokens, projections, kind, biased, sparse, seed
):
    (bits, group), g = found, torch.Generator().manual_seed(seed)
    width, neurons = blocks * max(64, group), 21
    _, _, gate_up = random_matrix((neurons, projections, width), bits, group, g)
    _, _, down_t = random_matrix((neurons, width), bits, group, g)
    plain_gate_up, plain_down = gate_up.dequantised(torch.float32), down_t.dequantised(torch.float32)
    x = rounded_activations(torch.randn(tokens, width, generator=g))  # what the CPU's kernels would make of others
    bias = torch.randn(neurons, projections, generator=g) if biased else None
    active = torch.randperm(neurons, generator=g)[:10].sort().values.to(torch.int32) if sparse else None
    hidden = mlp_hidden(x, plain_gate_up, bias, activation=kind, active=active, impl="torch")
    gate = mlp_gate(x, plain_gate_up, bias, activation=kind, impl="torch")
    down_bias = torch.randn(width, generator=g) if biased else None
    for impl in ("torch", "numba"):
        results = [
            (mlp_hidden(x, gate_up, bias, activation=kind, active=active, impl=impl), hidden),
            (mlp_gate(x, gate_up, bias, activation=kind, impl=impl), gate),
            (mlp_up(x, gate, gate_up, bias, active=active, impl=impl),
             mlp_up(x, gate, plain_gate_up, bias, active=active, impl="torch")),
            (mlp_down(hidden, down_t, down_bias, active=active, impl=impl),
             mlp_down(hidden, plain_down, down_bias, active=active, impl="torch")),
            (linear(x, down_t, impl=impl), linear(x, plain_down, impl="torch")),
        ]  # fmt: skip
        for result, expected in results:
            assert_close(result, expected, worst=1e-4, rms=1e-5)


@pytest.mark.parametrize("impl", ["torch", "numba"])
def test_no_token_gives_nothing(impl):
    _, _, matrix = random_matrix((5, 64), 4, 32, torch.Generator())
    assert linear(torch.empty(0, 64), matrix, impl=impl).shape == (0, 5)


@fuzz
@given(FORMATS, TOKENS, st.booleans(), st.integers(0, 99))
def test_a_down_projection_may_lie_by_its_outputs(found, tokens, biased, seed):
    (bits, group), g = found, torch.Generator().manual_seed(seed)
    _, _, rows = random_matrix((13, 3 * max(64, group)), bits, group, g)
    by_output, plain_rows = ByOutput(rows), rows.dequantised(torch.float32)
    hidden = rounded_activations(torch.randn(tokens, rows.depth, generator=g))
    bias = torch.randn(13, generator=g) if biased else None
    assert by_output.shape == (rows.depth, 13)
    for impl in ("torch", "numba"):
        result = mlp_down(hidden, by_output, bias, impl=impl)
        assert_close(result, mlp_down(hidden, plain_rows.t().contiguous(), bias, impl="torch"), worst=1e-4, rms=1e-5)
    with pytest.raises(ContractError, match="cannot skip neurons"):
        mlp_down(hidden[:, :1], by_output, bias, active=torch.zeros(1, dtype=torch.int32), impl="torch")


@fuzz
@given(FORMATS, st.integers(0, 99), st.sampled_from([1e-6, 1.0, 1e4]), st.sampled_from(["torch", "numba"]))
def test_rounding_is_as_good_as_a_step_of_the_widest_scale(found, seed, size, impl):
    (bits, group), g = found, torch.Generator().manual_seed(seed)
    weights = size * torch.randn(8, 256, generator=g)
    matrix = quantised(weights, bits, group, impl)
    lost = (weights - matrix.dequantised(torch.float32)).view(8, -1, group)
    widest = weights.view(8, -1, group).abs().amax(-1) / -LOWEST[bits]
    simple = packed(
        (weights.view(8, -1, group) / widest[..., None]).round().clamp(LOWEST[bits], HIGHEST[bits]).to(torch.int8)
        .view_as(weights), widest.bfloat16(), bits, group,
    )  # fmt: skip
    assert lost.square().sum() <= (weights - simple.dequantised(torch.float32)).square().sum() * 1.001
    assert relative_error(weights, matrix) < (0.15 if bits == 4 else 0.01)


@pytest.mark.parametrize("impl", ["torch", "numba"])
@pytest.mark.parametrize("bits", [4, 8])
def test_what_codes_can_say_exactly_is_kept_exactly(bits, impl):
    g = torch.Generator().manual_seed(0)
    codes = torch.randint(LOWEST[bits], HIGHEST[bits] + 1, (4, 128), generator=g).to(torch.int8)
    codes[:, ::32] = LOWEST[bits]  # every group uses its range
    matrix = packed(codes, torch.full((4, 4), 0.5, dtype=torch.bfloat16), bits, 32)
    weights = matrix.dequantised(torch.float32)
    assert torch.equal(quantised(weights, bits, 32, impl).dequantised(torch.float32), weights)


@pytest.mark.parametrize("impl", ["torch", "numba"])
@pytest.mark.parametrize("bits", [4, 8])
def test_zeros_stay_zeros(bits, impl):
    assert not quantised(torch.zeros(2, 64), bits, 32, impl).dequantised(torch.float32).any()


@pytest.mark.parametrize(
    ("depth", "group", "message"),
    [
        (64, 48, "a group has 48 weights, expected 32, 64, 128"),
        (96, 32, "rows of 96 weights do not divide into groups of 32 and blocks of 64"),
        (192, 128, "rows of 192 weights do not divide into groups of 128 and blocks of 64"),
    ],
)
def test_groups_that_do_not_divide_are_refused(depth, group, message):
    with pytest.raises(ContractError, match=message):
        quantised(torch.zeros(2, depth), 4, group)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ContractError, match="scales has shape"):
        QuantMatrix(torch.zeros(2, 8, dtype=torch.int32), torch.zeros(2, 1, dtype=torch.bfloat16), 4, 32)
    with pytest.raises(ContractError, match=r"codes is torch.int8, expected torch.int32"):
        QuantMatrix(torch.zeros(2, 64, dtype=torch.int8), torch.zeros(2, 2, dtype=torch.bfloat16), 4, 32)
