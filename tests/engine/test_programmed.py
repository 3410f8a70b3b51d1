"""Whole windows as single programs: the same tokens as the plain loop, and nothing that a GPU could not record."""

import pytest
import torch
from engines import answer, ids_of, plain_and_programmed, profile, prompt, text_of, tokens_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import Recording, emulated

from sirius_cli.core.events import Checked, Drafted, Prefilled
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.programmed import ProgrammedLoop
from sirius_cli.engine.recorded import Recordings

fuzz = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def checks_of(events):
    return [event for event in events if isinstance(event, Checked)]


def told_of(events):
    """Every committed token with what is told of it."""
    told = [(token.token_id, token.origin, token.draft_id) for token in tokens_of(events)]
    return told, [token.p for token in tokens_of(events)]


@fuzz
@given(
    method=st.sampled_from(["dense", "coarse", "fine"]),
    accept=st.sampled_from(["exact", "likelihood"]),
    window=st.integers(1, 12),
    keep=st.sampled_from([0.02, 0.5, 0.9, 1.0]),
    length=st.integers(1, 30),
    limit=st.integers(1, 40),
    eos=st.frozensets(st.integers(0, 100), max_size=4),
    ignore_eos=st.booleans(),
    stops=st.lists(st.text(st.sampled_from([chr(0x21 + i) for i in range(101)]), min_size=1, max_size=2), max_size=3),
    refresh=st.integers(0, 1),
    compiled=st.booleans(),
    seed=st.integers(0, 50),
)
def test_the_same_tokens_as_the_plain_loop(
    method, accept, window, keep, length, limit, eos, ignore_eos, stops, refresh, compiled, seed, tiny_model
):
    ops = Ops("numba", "test") if compiled else torch_ops()
    plain, programmed = plain_and_programmed(tiny_model("llama")[0], eos=eos, ops=ops)
    chosen = profile(method, keep=keep, accept=accept, window=window, confidence=0.0, refresh=refresh, decay=0.8)
    request = GenerationRequest(
        prompt(length, seed), max_new_tokens=limit, ignore_eos=ignore_eos, stop=tuple(stops)
    )  # fmt: skip
    with emulated():
        expected, got = answer(plain, chosen, request), answer(programmed, chosen, request)
    assert ids_of(got) == ids_of(expected)
    assert text_of(got) == text_of(expected)
    assert got[-1].reason == expected[-1].reason
    assert fold(got).advances == fold(expected).advances
    told, sure = told_of(got)
    assert (told, pytest.approx(sure, abs=1e-5)) == told_of(expected)
    for ours, theirs in zip(checks_of(got), checks_of(expected), strict=True):
        if ours.drafted != theirs.drafted:  # a program knows no stop strings
            assert stops
            assert theirs.short
            continue
        assert (ours.accepted, ours.short) == (theirs.accepted, theirs.short)
        if ours is not checks_of(got)[-1] or not programmed._recorded.overshot:
            assert ours.activity == pytest.approx(theirs.activity, rel=1e-5)
    if method == "coarse" and programmed._recorded.overshot:
        assert programmed._text.ids == list(request.prompt_ids)
        return
    assert programmed._text.ids == plain._text.ids
    if method == "coarse":
        torch.testing.assert_close(programmed._text.statistic.scores, plain._text.statistic.scores)


@pytest.mark.parametrize("name", ["gemma2", "qwen3", "opt", "mistral"])
def test_other_families(name, tiny_model):
    plain, programmed = plain_and_programmed(tiny_model(name)[0])
    request = GenerationRequest(prompt(), max_new_tokens=30)
    chosen = profile("fine", keep=0.6, window=5, confidence=0.0)
    assert ids_of(answer(programmed, chosen, request)) == ids_of(answer(plain, chosen, request))


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_one_program_serves_a_conversation_and_other_prompts(method, tiny_model):
    plain, programmed = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile(method, window=5, confidence=0.0)
    first = prompt(12)
    said = ids_of(answer(programmed, chosen, GenerationRequest(first, max_new_tokens=11)))
    assert said == ids_of(answer(plain, chosen, GenerationRequest(first, max_new_tokens=11)))
    held = programmed._recorded
    for ids in ((*first, *said, *prompt(4, seed=3)), prompt(7, seed=5), prompt(40, seed=6)):
        request = GenerationRequest(ids, max_new_tokens=15)
        got = answer(programmed, chosen, request)
        plain._text = None
        assert ids_of(got) == ids_of(answer(plain, chosen, request))
    assert programmed._recorded is held


def test_an_answer_that_was_given_up_leaves_nothing_behind(tiny_model):
    plain, programmed = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile("coarse", window=5, confidence=0.0)
    programmed.profile = chosen
    events = programmed.generate(GenerationRequest(prompt(12), max_new_tokens=40))
    for event in events:
        if isinstance(event, Drafted):
            break
    events.close()
    request = GenerationRequest(prompt(12), max_new_tokens=20)
    assert ids_of(answer(programmed, chosen, request)) == ids_of(answer(plain, chosen, request))


def test_a_stop_string_inside_a_window_is_not_learnt_beyond(tiny_model):
    """What a window read beyond a stop string is in the statistic, so the next prompt begins behind the prompt."""
    plain, programmed = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile("coarse", keep=1.0, window=9, confidence=0.0)
    whole = text_of(answer(plain, chosen, GenerationRequest(prompt(12), max_new_tokens=40)))
    request = GenerationRequest(prompt(12), max_new_tokens=40, stop=(whole[3:5],))
    got = answer(programmed, chosen, request)
    assert got[-1].reason == "stop"
    assert programmed._text.ids == list(prompt(12))
    longer = GenerationRequest((*prompt(12), *ids_of(got), 5), max_new_tokens=20)
    resumed = answer(programmed, chosen, longer)
    plain._text = None
    assert next(event for event in resumed if isinstance(event, Prefilled)).reused_tokens == 12
    assert ids_of(resumed) == ids_of(answer(plain, chosen, longer))


def test_what_differs_from_window_to_window_is_no_program_of_whole_windows(tiny_model):
    _, engine = plain_and_programmed(tiny_model("llama")[0])
    greedy = GenerationRequest(prompt(), max_new_tokens=9)
    sampled = GenerationRequest(prompt(), max_new_tokens=9, sampling=SamplingSpec(temperature=1.0))
    for chosen, request, whole in (
        (profile("coarse", confidence=0.0), greedy, True),
        (profile("dense"), greedy, True),
        (profile("coarse", confidence=0.0), sampled, False),
        (profile("coarse", confidence=0.5), greedy, False),
        (profile("coarse", confidence=0.0, window="auto"), greedy, False),
        (profile("coarse", confidence=0.0, lookup=2), greedy, False),
        (profile("dense", lookup=2), greedy, False),
        (profile("coarse", confidence=0.0, refresh=2), greedy, False),
        (profile("coarse", confidence=0.0, enabled=False), greedy, False),
        (profile("coarse", confidence=0.0, tree_width=2), greedy, False),
        (profile("coarse", confidence=0.0, refresh=1), greedy, True),
    ):
        answer(engine, chosen, request)
        assert isinstance(engine._recorded, ProgrammedLoop) == whole, chosen
        assert isinstance(engine._recorded.passes, Recordings) != whole


@pytest.mark.parametrize("accept", ["exact", "likelihood"])
@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_window_does_the_same_whatever_the_text_and_never_waits(method, accept, tiny_model):
    """The conditions of a CUDA graph: the same operations on the same memory, and no look at the results."""
    _, engine = plain_and_programmed(tiny_model("llama")[0])
    engine.profile = profile(method, accept=accept, window=6, confidence=0.0, refresh=1, decay=0.5)
    recorded = []
    for ids, limit in ((prompt(12), 9), (prompt(3, seed=2), 30), (prompt(50, seed=3), 4)):
        list(engine.generate(GenerationRequest(ids, max_new_tokens=limit)))
        loop, cache = engine._recorded, engine._text.cache
        loop._program.begin(ids[0], cache.lengths[0], limit, frozenset())
        with Recording([*loop._program.state, *cache.k, *cache.v]) as recording:
            loop._program.run()
        recorded.append(recording.seen)
    assert len(recorded[0]) > 100
    assert recorded[0] == recorded[1] == recorded[2]
