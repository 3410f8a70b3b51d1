"""Coarse drafts with a keep for each layer: what they cost, and that every path does the same."""

import pytest
import torch
from engines import DENSE, drafts_of, generate, ids_of, make_engine, profile, prompt, tokens_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirius_cli.core.keeps import spell_keeps
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.drafts import cost_of
from sirius_cli.errors import UsageError

LAYERS = "0.9+0.2+0.55"  # of the tiny models' 53 neurons: 47, 10 and 29
KEEPS = st.sampled_from([0.02, 0.2, 0.5, 0.9, 1.0])
FOLDER = [HealthCheck.function_scoped_fixture]


def request(length=30, **more):
    return GenerationRequest(prompt(), max_new_tokens=length, **more)


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "opt"])
@pytest.mark.parametrize("ops", [torch_ops(), Ops("numba", "test")], ids=["torch", "numba"])
def test_skipping_equals_the_masked_oracle(name, ops, tiny_model):
    engine = make_engine(tiny_model(name)[0], ops=ops)
    chosen = profile("coarse", layers=LAYERS, enabled=False)
    skipped = generate(engine, chosen, request())
    engine.masked = True
    masked = generate(engine, chosen, request())
    assert ids_of(skipped) == ids_of(masked)
    gaps = [abs(a.p - b.p) for a, b in zip(tokens_of(skipped), tokens_of(masked), strict=True)]
    assert max(gaps) < 1e-5
    assert ids_of(skipped) != ids_of(generate(engine, profile("coarse", keep=0.55, enabled=False), request()))


def test_every_layer_keeps_its_own_share(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", layers=LAYERS)
    statistic = engine._statistic(1)
    statistic.scores.copy_(torch.rand_like(statistic.scores))
    policy = engine._policy(statistic, 1, masked=False)
    policy.begin(0)
    assert [len(active) for active in policy.state] == [47, 10, 29]
    for active, scores in zip(policy.state, statistic.scores[:, 0], strict=True):
        assert torch.equal(active.long(), scores.topk(len(active)).indices.sort().values)


def test_a_step_costs_what_its_layers_keep(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    counts, skipped = engine.counts, 3 * 53 - (47 + 10 + 29)
    engine.profile = profile("coarse", layers=LAYERS)
    weights = skipped * (counts.gate + counts.up + counts.down) / 53
    assert engine.draft_cost.density == pytest.approx(1 - weights / counts.total)
    assert engine.draft_cost.read == pytest.approx(1 - weights / counts.read)
    metrics = fold(generate(engine, engine.profile, request()))
    assert (metrics.draft_density, metrics.draft_read) == pytest.approx(
        (engine.draft_cost.density, engine.draft_cost.read)
    )


@settings(max_examples=20, deadline=None, suppress_health_check=FOLDER)
@given(keeps=st.permutations([0.2, 0.5, 0.8]))
def test_equal_means_are_equal_bytes(keeps, tiny_model):
    """To the neuron that rounding down may take in every layer."""
    engine = make_engine(tiny_model("llama")[0])
    neuron = (engine.counts.gate + engine.counts.up + engine.counts.down) / 53 / engine.counts.read
    engine.profile = profile("coarse", keep=0.5)
    alike = engine.draft_cost.read
    engine.profile = profile("coarse", layers=spell_keeps(keeps))
    assert abs(engine.draft_cost.read - alike) <= 3 * neuron


@settings(max_examples=25, deadline=None, suppress_health_check=FOLDER)
@given(
    keeps=st.lists(KEEPS, min_size=3, max_size=3),
    window=st.integers(1, 9),
    width=st.sampled_from([1, 3]),
    refresh=st.integers(0, 2),
    precision=st.sampled_from(["native", "int8"]),
)
def test_exact_is_dense_whatever_the_layers_keep(keeps, window, width, refresh, precision, tiny_model):
    engine = make_engine(tiny_model("llama-blocks")[0])
    chosen = profile(
        "coarse", layers=spell_keeps(keeps), accept="exact", window=window, tree_width=width, refresh=refresh,
        precision=precision,
    )  # fmt: skip
    assert ids_of(generate(engine, chosen, request())) == ids_of(generate(engine, DENSE, request()))


def test_all_neurons_of_every_layer_are_the_dense_draft(tiny_model):
    engine = make_engine(tiny_model("qwen2")[0])
    chosen = profile("coarse", layers="3x1", enabled=False)
    assert ids_of(generate(engine, chosen, request())) == ids_of(generate(engine, DENSE, request()))


def test_rows_of_a_batch_are_as_if_alone(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen = profile("coarse", layers=LAYERS, accept="likelihood", window=6)
    requests = [GenerationRequest(prompt(5 + row, seed=row), max_new_tokens=20) for row in range(3)]
    engine.profile = chosen
    together = list(engine.generate_batch(requests))
    for row, one in enumerate(requests):
        alone = generate(engine, chosen, one)
        assert ids_of(together, row) == ids_of(alone)
        assert [[token for token, _ in drafts] for drafts in drafts_of(together, row).values()] == [
            [token for token, _ in drafts] for drafts in drafts_of(alone).values()
        ]


def test_programs_give_the_same_tokens(tiny_model):
    plain, programmed = (make_engine(tiny_model("llama")[0]) for _ in range(2))
    programmed.programs = True
    chosen = profile("coarse", layers=LAYERS, window=5, confidence=0.0, refresh=1)
    events = generate(programmed, chosen, request())
    assert ids_of(events) == ids_of(generate(plain, chosen, request()))
    assert fold(events).draft_read == pytest.approx(fold(generate(plain, chosen, request())).draft_read)


def test_another_number_of_layers_is_refused_in_one_line(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen = profile("coarse", layers="4x0.5")
    with pytest.raises(UsageError, match=r"^the profile has keeps for 4 layers, but the model has 3; ") as refused:
        generate(engine, chosen, request())
    assert "sirius calibrate" in refused.value.hint
    with pytest.raises(UsageError, match="4 layers"):
        cost_of(chosen.draft, 53, engine.counts, engine.draft_sizes)
    assert ids_of(generate(engine, DENSE, request()))  # nothing is broken
