"""What skipping neurons of one layer costs, against doing it by hand."""

import pytest
import torch
from engines import make_engine
from tiny_models import random_tokens

from sirius_cli.engine.drafts.policy import kept_neurons
from sirius_cli.engine.drafts.sensitivity import Sensitivity, sensitivities
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache

NAMES = ("llama", "gemma2", "opt")
KEEPS = (0.1, 0.4, 0.7, 1.0)
BEHIND = 5


def texts(count=3, length=16):
    return random_tokens(count, length, seed=4).tolist()


def by_hand(engine, text, keeps):
    """Logits ``[BEHIND, V]`` after the last tokens, layers keeping ``keeps``, and their MLPs' squared errors there."""
    model, ahead = engine.model, len(text) - BEHIND
    cache, statistic = KVCache(model.config, 1, len(text), dtype=torch.float32), NeuronStatistic(model.down_norms, 1)
    model.run(torch.tensor([text[:ahead]]), torch.tensor([0]), cache, mlp=statistic)
    statistic.fold([0], [ahead], [ahead])
    errors = [[] for _ in keeps]

    def mlp(layer, x, block, ops):
        weights, scores = block.weights, statistic.scores[layer, 0]
        kept = scores.topk(kept_neurons(keeps[layer], len(scores))).indices.sort().values.int()

        def branch(x, onto):
            whole, some = (
                ops.mlp_down(
                    ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation, active=active),
                    weights.down_t, weights.down_bias, active=active,
                )
                for active in (None, kept)
            )  # fmt: skip
            errors[layer] += (whole - some).square().sum(-1).tolist()
            return some if onto is None else onto.add(some)

        block.around(x, branch)

    hidden = model.run(torch.tensor([text[ahead:]]), torch.tensor([ahead]), cache, mlp=mlp)
    return model.logits(hidden[0]), errors


def cost(engine, keeps):
    """The divergence from the dense model with these keeps."""
    found = []
    for text in texts():
        dense, sparse = (by_hand(engine, text, keeps)[0].log_softmax(-1) for keeps in ((1.0, 1.0, 1.0), keeps))
        found += (dense.exp() * (dense - sparse)).sum(-1).tolist()
    return mean(found)


def error(engine, layer, keep):
    """The mean squared error of one layer's MLP."""
    keeps = [keep if number == layer else 1.0 for number in range(3)]
    return mean([one for text in texts() for one in by_hand(engine, text, keeps)[1][layer]])


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("name", NAMES)
def test_costs_and_errors_are_those_of_skipping_by_hand(name, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    found = list(sensitivities(engine.model, texts(), BEHIND, 0.5, KEEPS))
    assert len(found) == 3
    for layer, sensitivity in enumerate(found):
        alone, others = ([0.5 if (number == layer) == only else 1.0 for number in range(3)] for only in (True, False))
        assert sensitivity.alone == pytest.approx(cost(engine, alone), rel=1e-3)
        assert sensitivity.among == pytest.approx(cost(engine, [0.5] * 3) - cost(engine, others), abs=1e-4)
        expected = [error(engine, layer, keep) / error(engine, layer, 0.5) for keep in KEEPS]
        assert sensitivity.errors == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_shares_add_up_where_errors_cost_their_square_and_products():
    """Three layers, and whatever errors of two of them have to do with each other."""
    products = torch.tensor([[0.3, 0.1, -0.05], [0.1, 0.2, 0.02], [-0.05, 0.02, 0.4]])
    total = products.sum()
    found = []
    for layer in range(3):
        others = [number for number in range(3) if number != layer]
        among = total - products[others][:, others].sum()
        found.append(Sensitivity(float(products[layer, layer]), float(among), ()))
    assert sum(one.share for one in found) == pytest.approx(float(total))
    assert [one.share for one in found] == pytest.approx(products.sum(1).tolist())


def test_keeping_more_loses_less_and_all_nothing(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    for found in sensitivities(engine.model, texts(), BEHIND, 0.4, KEEPS):
        assert found.share > 0
        assert sorted(found.losses, reverse=True) == list(found.losses)
        assert found.losses[1] == pytest.approx(found.share)
        assert found.losses[-1] == 0.0


def test_a_layer_whose_skipped_neurons_are_silent_loses_nothing(tiny_model):
    engine = make_engine(tiny_model("opt")[0])
    mlp = engine.model.weights.layers[0].mlp
    silent = len(mlp.bias) // 2
    with torch.inference_mode():
        mlp.gate_up[:silent] = 0.0
        mlp.bias[:silent] = -1.0
    found = next(sensitivities(engine.model, texts(), BEHIND, 0.5, KEEPS))
    assert (found.alone, found.losses[-1]) == (0.0, 0.0)
    assert max(found.errors) == 1.0


def test_a_layer_is_measured_when_it_is_asked_for(tiny_model, monkeypatch):
    engine = make_engine(tiny_model("llama")[0])
    passes, run = [], engine.model.run
    monkeypatch.setattr(engine.model, "run", lambda *arguments, **more: passes.append(1) or run(*arguments, **more))
    measuring = sensitivities(engine.model, texts(), BEHIND, 0.5, KEEPS)
    next(measuring)
    first = len(passes)
    next(measuring)
    assert len(passes) == first + 2
