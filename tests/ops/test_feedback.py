"""Rounding with error feedback: what it promises, and that both of its ways give the same."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sirius_kernels.contracts import ContractError
from sirius_kernels.quant.feedback import quantised_for
from sirius_kernels.quant.rounding import best_scales, output_error, quantised

fuzz = settings(max_examples=30, deadline=None)
GROUPS = st.sampled_from([32, 64, 128])


def correlated(tokens, depth, g):
    """Inputs as models have them: few directions carry most, and some inputs are much larger than others."""
    mixing = torch.randn(depth // 4, depth, generator=g)
    sizes = torch.exp(torch.randn(depth, generator=g))
    return (
        torch.randn(tokens, depth // 4, generator=g) @ mixing + 0.3 * torch.randn(tokens, depth, generator=g)
    ) * sizes


def lost(inputs, weights, matrix):
    depth = weights.shape[-1]
    return output_error(inputs, weights.view(-1, depth), matrix.dequantised(weights.dtype).view(-1, depth))


@fuzz
@given(GROUPS, st.integers(1, 3), st.integers(0, 99))
def test_outputs_lose_less_than_by_rounding_each_weight_alone(group, blocks, seed):
    g = torch.Generator().manual_seed(seed)
    depth = 128 * blocks
    weights, inputs = torch.randn(40, depth, generator=g), correlated(400, depth, g)
    seen, unseen = inputs[:300], inputs[300:]
    fed, alone = quantised_for(seen, weights, group, "numba"), quantised(weights, 4, group)
    assert lost(unseen, weights, fed) < 0.8 * lost(unseen, weights, alone)


@fuzz
@given(GROUPS, st.integers(1, 9), st.integers(0, 99))
def test_both_ways_round_alike(group, rows, seed):
    g = torch.Generator().manual_seed(seed)
    weights, inputs = torch.randn(rows, 2, 128, generator=g), correlated(60, 128, g)
    ours, theirs = (quantised_for(inputs, weights, group, impl) for impl in ("numba", "torch"))
    assert ours.shape == theirs.shape == (rows, 2, 128)
    # A sum in another order may turn a tie, after which the rest of the row goes its own way, as good as the other:
    # of two short rows alone, within an eighth.
    errors = [lost(inputs, weights, found) for found in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.2)
    assert (ours.dequantised(torch.float32) == theirs.dequantised(torch.float32)).float().mean() > 0.9


def test_rows_longer_than_a_stretch_and_more_than_go_at_once(monkeypatch):
    from sirius_kernels.quant import feedback

    g = torch.Generator().manual_seed(3)
    weights, inputs = torch.randn(10, 320, generator=g), correlated(200, 320, g)
    monkeypatch.setattr(feedback, "_STRETCH", 128)
    monkeypatch.setattr(feedback, "_ROWS", 4)
    whole = quantised_for(inputs, weights, 64, "numba").dequantised(torch.float32)
    for first in range(0, 320, 128):
        x, rows = inputs[:, first : first + 128], weights[:, first : first + 128].contiguous()
        alone = output_error(x, rows, whole[:, first : first + 128])
        assert alone == pytest.approx(lost(x, rows, quantised_for(x, rows, 64, "numba")), rel=0.15)


def test_inputs_that_are_never_there_do_no_harm():
    g = torch.Generator().manual_seed(1)
    weights, inputs = torch.randn(6, 128, generator=g), torch.randn(50, 128, generator=g)
    inputs[:, 40:100] = 0.0
    assert lost(inputs, weights, quantised_for(inputs, weights, 32, "numba")) < 0.15
    nothing = quantised_for(torch.zeros(4, 128), weights, 32, "numba")
    assert lost(torch.eye(128), weights, nothing) == pytest.approx(
        lost(torch.eye(128), weights, quantised(weights, 4, 32)), rel=1e-3
    )


def test_half_precision_is_taken_and_the_weights_stay():
    g = torch.Generator().manual_seed(1)
    weights, inputs = torch.randn(6, 64, generator=g).bfloat16(), torch.randn(50, 64, generator=g).bfloat16()
    before = weights.clone()
    assert lost(inputs, weights, quantised_for(inputs, weights, 32, "numba")) < 0.15
    assert torch.equal(weights, before)


@pytest.mark.parametrize("impl", ["torch", "numba"])
def test_a_weight_that_matters_more_is_kept_better(impl):
    weights = torch.linspace(-1.0, 0.93, 32)[None]
    importance = torch.ones(32)
    importance[5] = 1e6
    for scales, expected in (
        (best_scales(weights, 4, impl=impl), 0.02),
        (best_scales(weights, 4, importance, impl=impl), 1e-4),
    ):
        code = (weights[0, 5] / scales[0]).round()
        assert (expected > 0.01) == bool((weights[0, 5] - code * scales[0]).abs() > 0.001)


def test_groups_and_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ContractError, match="rows of 96 weights do not divide"):
        quantised_for(torch.ones(3, 96), torch.ones(2, 96), 32, "torch")
    with pytest.raises(ContractError, match="inputs"):
        quantised_for(torch.ones(3, 64), torch.ones(2, 128), 32, "torch")
