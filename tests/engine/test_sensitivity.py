"""What skipping neurons of one layer costs, against doing it by hand."""

import pytest
import torch
from engines import make_engine
from tiny_models import random_tokens

from sirius_cli.engine.drafts.policy import kept_neurons
from sirius_cli.engine.drafts.sensitivity import sensitivities
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache

NAMES = ("llama", "gemma2", "opt")
KEEPS = (0.1, 0.4, 0.7, 1.0)
BEHIND = 5


def texts(count=3, length=16):
    return random_tokens(count, length, seed=4).tolist()


def by_hand(engine, text, layer, keep):
    """Logits ``[BEHIND, V]`` after the last tokens with that layer sparse, and the squared errors of its MLP there."""
    model, ahead = engine.model, len(text) - BEHIND
    cache, statistic = KVCache(model.config, 1, len(text), dtype=torch.float32), NeuronStatistic(model.down_norms, 1)
    model.run(torch.tensor([text[:ahead]]), torch.tensor([0]), cache, mlp=statistic)
    statistic.fold([0], [ahead], [ahead])
    kept = statistic.scores[layer, 0].topk(kept_neurons(keep, statistic.scores.shape[-1])).indices.sort().values.int()
    errors = []

    def mlp(number, x, block, ops):
        if number != layer:
            block(x)
            return
        weights = block.weights

        def branch(x):
            whole, some = (
                ops.mlp_down(
                    ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation, active=active),
                    weights.down_t, weights.down_bias, active=active,
                )
                for active in (None, kept)
            )  # fmt: skip
            errors.extend((whole - some).square().sum(-1).tolist())
            return some

        block.around(x, branch)

    hidden = model.run(torch.tensor([text[ahead:]]), torch.tensor([ahead]), cache, mlp=mlp)
    return model.logits(hidden[0]), errors


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("name", NAMES)
def test_divergences_and_errors_are_those_of_skipping_by_hand(name, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    found = list(sensitivities(engine.model, texts(), BEHIND, 0.5, KEEPS))
    assert len(found) == len(engine.model.config.layers)
    for layer, sensitivity in enumerate(found):
        divergences, errors = [], {keep: [] for keep in (0.5, *KEEPS)}
        for text in texts():
            dense = by_hand(engine, text, layer, 1.0)[0].log_softmax(-1)
            sparse = by_hand(engine, text, layer, 0.5)[0].log_softmax(-1)
            divergences += (dense.exp() * (dense - sparse)).sum(-1).tolist()
            for keep, values in errors.items():
                values += by_hand(engine, text, layer, keep)[1]
        assert sensitivity.divergence == pytest.approx(mean(divergences), rel=1e-3)
        expected = [mean(errors[keep]) / mean(errors[0.5]) for keep in KEEPS]
        assert sensitivity.errors == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_keeping_more_loses_less_and_all_nothing(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    for found in sensitivities(engine.model, texts(), BEHIND, 0.4, KEEPS):
        assert found.divergence > 0
        assert sorted(found.losses, reverse=True) == list(found.losses)
        assert found.losses[1] == pytest.approx(found.divergence)
        assert found.losses[-1] == 0.0


def test_a_layer_is_measured_when_it_is_asked_for(tiny_model, monkeypatch):
    engine = make_engine(tiny_model("llama")[0])
    passes, run = [], engine.model.run
    monkeypatch.setattr(engine.model, "run", lambda *arguments, **more: passes.append(1) or run(*arguments, **more))
    measuring = sensitivities(engine.model, texts(), BEHIND, 0.5, KEEPS)
    next(measuring)
    first = len(passes)
    next(measuring)
    assert len(passes) == first + 1
