"""Several texts side by side, and a prefix that they share."""

from collections import Counter

import pytest
from engines import generate, ids_of, make_engine, profile, prompt

from sirius_cli.core.events import Checked, Drafted, Finished, Prefilled
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine import correction
from sirius_cli.engine import engine as engine_module
from sirius_cli.engine.planning import planner


@pytest.mark.parametrize("places", [1, 2, None])
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
@pytest.mark.parametrize("window", [6, "auto"])
def test_rows_of_a_batch_are_as_if_alone(window, method, checked, places, tiny_model, monkeypatch):
    monkeypatch.setattr(planner, "_ALLOWANCE", 1.0)  # else answers as short as these could afford no draft
    engine = make_engine(tiny_model("llama")[0], eos=frozenset(range(90, 96)))
    chosen = profile(method, window=window, plan_for="read", enabled=checked, refresh=2, decay=0.5)
    requests = [
        GenerationRequest(prompt(length, seed=length), max_new_tokens=limit)
        for length, limit in [(3, 40), (17, 5), (9, 25), (1, 1), (5, 30)]
    ]
    engine.profile = chosen
    together = list(engine.generate_batch(requests, places=places))
    for row, request in enumerate(requests):
        alone = generate(engine, chosen, request)
        assert ids_of(together, row) == ids_of(alone)
        assert [e.reason for e in together if isinstance(e, Finished) and e.row == row] == [alone[-1].reason]
        assert fold(e for e in together if e.row == row).advances == fold(alone).advances
    if method != "dense":
        assert {event.read == 1.0 for event in together if isinstance(event, Drafted)} == {places != 1}


def test_a_row_is_checked_while_others_draft_once_enough_are_ready(tiny_model, monkeypatch):
    engine = make_engine(tiny_model("llama")[0])
    requests = [GenerationRequest(prompt(9, seed=seed), max_new_tokens=40) for seed in range(4)]

    def sizes(enough):
        """How many rows each check had."""
        monkeypatch.setattr(correction, "_CHECK_TOKENS", enough)
        events = list(engine.generate_batch(requests))
        return Counter(event.at for event in events if isinstance(event, Checked)).values()

    engine.profile = profile("coarse", window=8, confidence=0.3)
    together, apart = sizes(1000), sizes(1)
    assert max(together) == 4
    assert sum(together) == sum(apart)
    assert len(apart) > len(together)


def test_more_texts_side_by_side_than_memory_holds_are_not_begun(tiny_model, monkeypatch):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=6)
    requests = [GenerationRequest(prompt(9, seed=seed), max_new_tokens=11) for seed in range(3)]

    def side_by_side(free):
        """The most rows between their first token and their end."""
        monkeypatch.setattr(engine_module, "free_bytes", lambda device: free)
        at_work = most = 0
        for event in engine.generate_batch(requests):
            at_work += isinstance(event, Prefilled) - isinstance(event, Finished)
            most = max(most, at_work)
        return most

    statistics = 8 * engine.model.config.intermediate_size * len(engine.model.config.layers)
    text = 20 * engine.token_cache_bytes + statistics
    assert [side_by_side(free) for free in (0, 2 * text, 4 * text, 4 * text - 2, 10**9)] == [1, 1, 2, 1, 3]


def test_a_pass_of_many_windows_is_cut_into_several(tiny_model, monkeypatch):
    monkeypatch.setattr(correction, "_MOST_TOKENS", 12)
    engine = make_engine(tiny_model("llama")[0])
    requests = [GenerationRequest(prompt(5 + row, seed=row), max_new_tokens=25) for row in range(4)]
    engine.profile = profile("coarse", window=5)
    alone = [ids_of(engine.generate_batch([request])) for request in requests]
    passes, run = [], engine.model.run
    monkeypatch.setattr(
        engine.model, "run", lambda ids, *more, **named: passes.append(ids.numel()) or run(ids, *more, **named)
    )
    together = list(engine.generate_batch(requests))
    assert [ids_of(together, row) for row in range(4)] == alone
    assert 10 <= max(passes) <= 12
    assert list(engine.generate_batch([])) == []


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_shared_prefix_is_read_once_and_changes_nothing(method, rows, tiny_model):
    engine = make_engine(tiny_model("qwen2")[0])
    engine.profile = profile(method, window=6)
    prefix = prompt(20, seed=9)
    requests = [
        GenerationRequest((*prefix, *prompt(3 + row, seed=row)), max_new_tokens=12 + 5 * row) for row in range(rows)
    ]
    plain = list(engine.generate_batch(requests))
    for _ in range(2):
        shared = list(engine.generate_batch(requests, prefix=prefix))
        assert {event.reused_tokens for event in shared if isinstance(event, Prefilled)} == {len(prefix)}
        assert [ids_of(shared, row) for row in range(rows)] == [ids_of(plain, row) for row in range(rows)]
    held = engine._prefix
    list(engine.generate_batch(requests, prefix=prefix))
    assert engine._prefix is held
    with pytest.raises(ValueError, match="go on from the prefix"):
        list(engine.generate_batch([GenerationRequest(prefix)], prefix=prefix))


def test_another_method_does_not_take_a_prefix_that_it_has_learnt_nothing_from(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    prefix = prompt(20, seed=9)
    request = GenerationRequest((*prefix, 5, 6), max_new_tokens=20)
    engine.profile = profile("dense")
    list(engine.generate_batch([request], prefix=prefix))
    engine.profile = profile("coarse", window=6)
    after = list(engine.generate_batch([request], prefix=prefix))
    assert ids_of(after) == ids_of(generate(engine, engine.profile, request))
    assert fold(after).advances == fold(list(engine.generate(request))).advances
