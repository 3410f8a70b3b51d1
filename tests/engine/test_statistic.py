"""What the coarse statistic says of neurons."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoders import load, new_cache

from sirius_cli.engine.drafts.statistic import NeuronStatistic

NAMES = ("llama", "gemma2", "opt", "llama-biases")


@pytest.mark.parametrize("name", NAMES)
def test_norms_are_those_of_down_rows(name, tiny_model):
    decoder = load(tiny_model(name)[0])
    for norms, layer in zip(decoder.down_norms, decoder.weights.layers, strict=True):
        torch.testing.assert_close(norms, layer.mlp.down_t.square().sum(-1))


def hidden_of(decoder, ids):
    """``[L, T, F]`` hidden activations of a dense pass, by the reference ops."""
    found = []

    def watched(layer, x, block, ops):
        weights = block.weights

        def branch(x, onto):
            found.append(ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation))
            return ops.mlp_down(found[-1], weights.down_t, weights.down_bias, onto=onto)

        block.around(x, branch)

    decoder.run(torch.tensor([ids]), torch.tensor([0]), new_cache(decoder), mlp=watched)
    return torch.stack(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_is_what_skipping_the_neuron_takes_from_outputs(name, tiny_model):
    """Summed over tokens, each scaled to activations of unit length: the squared error of the MLP's output."""
    decoder, ids = load(tiny_model(name)[0]), [5, 17, 3, 88, 41, 2, 9]
    statistic = NeuronStatistic(decoder.down_norms, 1)
    decoder.run(torch.tensor([ids]), torch.tensor([0]), new_cache(decoder), mlp=statistic)
    statistic.fold([0], [7], [5])
    for layer, hidden in enumerate(hidden_of(decoder, ids)[:, :5]):
        unit = hidden / hidden.norm(dim=-1, keepdim=True)
        for neuron in (0, 20, 52):
            lost = unit[:, neuron, None] * decoder.weights.layers[layer].mlp.down_t[neuron]
            torch.testing.assert_close(statistic.scores[layer, 0, neuron], lost.square().sum())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whenever_tokens_are_added_the_scores_are_the_same(data):
    """In one pass, later, or where only the device knows how many: the same sums."""
    layers, neurons, tokens = 2, 7, data.draw(st.integers(1, 20))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    norms, hidden = torch.rand(layers, neurons), torch.randn(layers, tokens, neurons)
    count = data.draw(st.integers(0, tokens))
    at_once, later, first = (NeuronStatistic(norms, 1) for _ in range(3))
    for statistic in (at_once, first):
        statistic._seen = list(hidden)
    at_once.fold([0], [tokens], [count])
    first.learn_first(torch.tensor([0]), torch.tensor([count]))
    for token in range(count):
        later._seen = [layer[token, None] for layer in hidden]
        later.fold_later([0])
    torch.testing.assert_close(later.scores, at_once.scores)
    torch.testing.assert_close(first.scores, at_once.scores)


def test_a_neuron_that_writes_nothing_is_the_first_to_go(tiny_model):
    """However active it is."""
    decoder = load(tiny_model("llama")[0])
    for layer in decoder.weights.layers:
        layer.mlp.gate_up[11] *= 30.0
        layer.mlp.down_t[11] = 0.0
    statistic = NeuronStatistic(decoder.down_norms, 1)
    decoder.run(torch.tensor([[5, 17, 3]]), torch.tensor([0]), new_cache(decoder), mlp=statistic)
    statistic.fold([0], [3], [3])
    assert torch.equal(statistic.scores[:, 0].argmin(-1), torch.full((3,), 11))
