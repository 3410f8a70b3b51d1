"""Continuations found in the text as drafts, on random tiny models."""

import pytest
import torch
from engines import DENSE, generate, ids_of, make_engine, profile, prompt, tokens_of
from tiny_models import VARIANTS

from sirius_cli.core.events import Checked, Committed, Drafted, Finished
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest, SamplingSpec

LOOKS_UP = profile("dense", accept="exact", window=6, lookup=1)


def known_answer(engine, length=24, seed=0):
    """A prompt that holds the dense answer to its own end, so that copying is right for a while; and that answer.

    The model, random and small, does not hold to it for long: there are failures as well.
    """
    start = prompt(6, seed)
    answer = ids_of(generate(engine, DENSE, GenerationRequest(start, max_new_tokens=length)))
    again = (*start, *answer, *start)
    return again, ids_of(generate(engine, DENSE, GenerationRequest(again, max_new_tokens=length)))


def found_in(events):
    return [event for event in events if isinstance(event, Drafted) and event.source == "lookup"]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("method", ["dense", "coarse"])
def test_exact_is_dense_for_every_family(name, method, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    again, dense = known_answer(engine)
    request = GenerationRequest(again, max_new_tokens=24)
    events = generate(engine, profile(method, keep=0.2, accept="exact", window=6, lookup=1), request)
    assert ids_of(events) == dense
    assert found_in(events)


def looping_engine(tiny_model, eos=frozenset()):
    """A model that says the same token for ever: every look-up in a prompt that ends with two of it is right."""
    engine = make_engine(tiny_model("llama")[0], eos=eos)
    with torch.inference_mode():
        engine.model.weights.head.zero_()
    return engine  # all logits are equal: the argmax is token 0


def test_a_loop_is_copied_window_by_window_without_a_step(tiny_model):
    engine = looping_engine(tiny_model)
    request = GenerationRequest((5, 0, 0, 0), max_new_tokens=19)
    events = generate(engine, profile("coarse", accept="exact", window=7, lookup=2), request)
    assert ids_of(events) == [0] * 19
    assert all(event.source == "lookup" for event in events if isinstance(event, Drafted))
    origins = ["prefill", *(["lookup"] * 6 + ["bonus"]) * 2, *["lookup"] * 3, "bonus"]
    assert [token.origin for token in tokens_of(events)] == origins
    metrics = fold(events)
    assert metrics.advances == (7, 7, 4)
    assert metrics.effective_density == metrics.effective_read == pytest.approx(3 / 18)
    assert metrics.draft_step_ms is None
    assert metrics.looked_up == pytest.approx(15 / 19)


def test_what_is_found_is_told_at_once_and_costs_nothing(tiny_model):
    engine = looping_engine(tiny_model)
    events = generate(engine, LOOKS_UP, GenerationRequest((0, 0), max_new_tokens=7))
    (found,) = found_in(events)
    assert found.token_ids == (0,) * 5
    assert found.texts == ("!",) * 5
    assert found.probabilities == (1.0,) * 5
    assert (found.density, found.read) == (0.0, 0.0)


def test_a_look_up_ends_at_a_stop(tiny_model):
    engine = looping_engine(tiny_model, eos=frozenset({9}))
    ids = (3, 0, 8, 9, 5, 3)  # and the first token is 0, which 8 and 9 had followed
    for more in ({}, {"stop": ("*",), "ignore_eos": True}, {"stop": (")*",), "ignore_eos": True}):
        events = generate(engine, LOOKS_UP, GenerationRequest(ids, max_new_tokens=20, **more))
        assert found_in(events)[0].token_ids == (8, 9)
    events = generate(engine, LOOKS_UP, GenerationRequest(ids, max_new_tokens=20, ignore_eos=True))
    assert found_in(events)[0].token_ids == (8, 9, 5, 3, 0)


def test_a_stop_among_accepted_tokens_ends_the_answer(tiny_model):
    engine = looping_engine(tiny_model)
    request = GenerationRequest((0, 0), max_new_tokens=20, stop=("!!!!",))
    events, dense = (generate(engine, chosen, request) for chosen in (LOOKS_UP, DENSE))
    assert ids_of(events) == ids_of(dense) == [0] * 4
    assert events[-1].reason == "stop"
    (check,) = [event for event in events if isinstance(event, Checked)]
    assert (check.drafted, check.accepted) == (3, 3)  # with the token of the prompt's pass


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_row_drafts_until_its_text_has_been_there_before(method, tiny_model):
    """Look-ups are the last of their window: no step could follow, for want of their keys."""
    engine = make_engine(tiny_model("llama")[0])
    again, _ = known_answer(engine)
    events = generate(engine, profile(method, window=8, lookup=2), GenerationRequest(again, max_new_tokens=40))
    windows = {}
    for event in events:
        if isinstance(event, Drafted):
            windows.setdefault(event.window, []).append(event.source)
    assert any("lookup" in sources for sources in windows.values())
    for sources in windows.values():
        assert "lookup" not in sources[:-1]
        assert method != "dense" or sources == ["lookup"]


def test_without_a_draft_every_other_step_is_a_dense_one(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    again, _ = known_answer(engine)
    events = generate(engine, LOOKS_UP, GenerationRequest(again, max_new_tokens=24))
    checks = [event for event in events if isinstance(event, Checked)]
    assert {check.drafted for check in checks} >= {0, 5}
    assert all(check.short == (0 < check.drafted < 5) for check in checks)
    plain = {event.window for event in checks if event.drafted == 0}
    for event in events:
        if isinstance(event, Committed) and event.window:
            assert (event.window in plain) == ([token.origin for token in event.tokens] == ["dense"])


def test_failures_make_look_ups_rarer(tiny_model):
    """A random model does not repeat the random prompt: all matches of one token fail, and soon they are not tried."""
    engine = make_engine(tiny_model("llama")[0])
    request = GenerationRequest(tuple(range(101)), max_new_tokens=25)
    events = generate(engine, LOOKS_UP, request)
    assert ids_of(events) == ids_of(generate(engine, DENSE, request))
    right = [event.accepted for event in events if isinstance(event, Checked) and event.drafted]
    assert max(right) < 2
    assert len(right) < 10


def test_a_look_up_that_the_check_did_not_reach_teaches_nothing(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    again, _ = known_answer(engine)
    judged = []
    make_loop = engine._loop

    def watched(*arguments):
        loop = make_loop(*arguments)
        join = loop.join

        def joined(row):
            join(row)
            judge = row.lookup.judge
            row.lookup.judge = lambda offered, accepted: judged.append((offered, accepted)) or judge(offered, accepted)

        loop.join = joined
        return loop

    engine._loop = watched
    events = generate(
        engine, profile("coarse", keep=0.5, accept="exact", window=8, lookup=1),
        GenerationRequest(again, max_new_tokens=40),
    )  # fmt: skip
    expected, steps, looked = [], 0, 0
    for event in events:
        if isinstance(event, Drafted) and event.source == "draft":
            steps += 1
        elif isinstance(event, Drafted):
            looked = len(event.token_ids)
        elif isinstance(event, Checked):
            if looked and event.accepted >= steps:
                expected.append((looked, event.accepted - steps))
            steps = looked = 0
    assert judged == expected
    assert len(expected) < len(found_in(events))


@pytest.mark.parametrize("method", ["dense", "coarse"])
@pytest.mark.parametrize("places", [2, None])
def test_rows_of_a_batch_look_up_in_their_own_texts(method, places, tiny_model):
    engine = make_engine(tiny_model("llama")[0], eos=frozenset(range(90, 96)))
    chosen = profile(method, window=6, lookup=1, accept="exact")
    requests = [
        GenerationRequest(known_answer(engine, seed=seed)[0], max_new_tokens=limit)
        for seed, limit in enumerate((30, 5, 18, 1))
    ]
    engine.profile = chosen
    together = list(engine.generate_batch(requests, places=places))
    for row, request in enumerate(requests):
        alone = generate(engine, chosen, request)
        mine = [event for event in together if getattr(event, "row", None) == row]
        assert ids_of(together, row) == ids_of(alone)
        assert [event.token_ids for event in found_in(mine)] == [event.token_ids for event in found_in(alone)]
        assert [event.reason for event in mine if isinstance(event, Finished)] == [alone[-1].reason]
    assert found_in(together)


def test_nothing_is_looked_up_without_a_check(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    again, dense = known_answer(engine)
    request = GenerationRequest(again, max_new_tokens=24)
    for method in ("dense", "fine"):
        chosen = profile(method, lookup=1, enabled=False)
        assert not chosen.looks_up
        events = generate(engine, chosen, request)
        assert not found_in(events)
        assert (ids_of(events) == dense) == (method == "dense")


def test_programs_give_way_to_look_ups(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    again, dense = known_answer(engine)
    engine.programs = True
    request = GenerationRequest(again, max_new_tokens=24)
    for chosen in (profile("fine", accept="exact", window=6), LOOKS_UP, profile("fine", accept="exact", window=6)):
        assert ids_of(generate(engine, chosen, request)) == dense


def test_a_sampled_look_up_is_reproducible_and_its_corrections_replace_something(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    again, _ = known_answer(engine)
    request = GenerationRequest(again, max_new_tokens=30, sampling=SamplingSpec(temperature=0.7, seed=3))
    first, second = (generate(engine, LOOKS_UP, request) for _ in range(2))
    assert ids_of(first) == ids_of(second)
    corrections = [token for token in tokens_of(first) if token.origin == "correction"]
    assert corrections
    assert all(token.draft_id != token.token_id for token in corrections)
