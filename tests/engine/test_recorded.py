"""Loops over recorded passes: what the plain loop does, and nothing in a pass that a GPU could not record."""

import pytest
import torch
from engines import answer, ids_of, plain_and_programmed, profile, prompt, tokens_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recordings import Recording

from sirius_cli.core.events import Checked, Drafted, Planned, Prefilled
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.programmed import alike
from sirius_cli.engine.recorded import RecordedLoop, RecordedPass

fuzz = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(events):
    """All that is told but the time; figures that padding may round differently are apart."""
    drafts = [(e.window, e.token_ids, e.source) for e in events if isinstance(e, Drafted)]
    checks = [(e.window, e.drafted, e.accepted, e.short) for e in events if isinstance(e, Checked)]
    plans = [(e.window, e.size, e.reason) for e in events if isinstance(e, Planned)]
    tokens = [(token.token_id, token.origin, token.draft_id) for token in tokens_of(events)]
    activity = [share for e in events if isinstance(e, Checked) for share in e.activity]
    return (drafts, checks, plans, tokens, events[-1].reason), (activity, [token.p for token in tokens_of(events)])


@fuzz
@given(
    method=st.sampled_from(["dense", "coarse", "fine"]),
    accept=st.sampled_from(["exact", "likelihood"]),
    window=st.sampled_from([1, 2, 5, 11, 40, "auto"]),
    confidence=st.sampled_from([0.0, 0.3, 0.9]),
    lookup=st.sampled_from([0, 1, 3]),
    refresh=st.integers(0, 2),
    enabled=st.booleans(),
    temperature=st.sampled_from([0.0, 0.8]),
    length=st.integers(1, 30),
    limit=st.integers(1, 40),
    compiled=st.booleans(),
    seed=st.integers(0, 50),
)
def test_the_same_as_the_plain_loop(
    method, accept, window, confidence, lookup, refresh, enabled, temperature, length, limit, compiled, seed, tiny_model
):
    ops = Ops("numba", "test") if compiled else torch_ops()
    plain, recorded = plain_and_programmed(tiny_model("llama")[0], ops=ops)
    chosen = profile(
        method, accept=accept, window=window, confidence=confidence, lookup=lookup, refresh=refresh, decay=0.8,
        enabled=enabled, plan_for="read",
    )  # fmt: skip
    sampling = SamplingSpec(temperature=temperature, seed=seed)
    assume(temperature > 0.0 or not alike(chosen))  # else whole windows are programs
    request = GenerationRequest(prompt(length, seed), max_new_tokens=limit, sampling=sampling)
    (expected, sure), (got, ours) = (told(answer(engine, chosen, request)) for engine in (plain, recorded))
    assert got == expected
    for one, other in zip(ours, sure, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_one_loop_serves_a_conversation_and_other_prompts(tiny_model):
    plain, recorded = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile("coarse", window=5, confidence=0.2, refresh=2, lookup=2)
    said = ids_of(answer(recorded, chosen, GenerationRequest(prompt(12), max_new_tokens=11)))
    held = recorded._recorded
    assert isinstance(held, RecordedLoop)
    for ids in ((*prompt(12), *said, *prompt(4, seed=3)), prompt(7, seed=5), prompt(40, seed=6)):
        request = GenerationRequest(ids, max_new_tokens=15)
        got = answer(recorded, chosen, request)
        plain._text = None
        assert ids_of(got) == ids_of(answer(plain, chosen, request))
    assert recorded._recorded is held


def test_an_answer_that_was_given_up_leaves_nothing_behind(tiny_model):
    plain, recorded = plain_and_programmed(tiny_model("llama")[0])
    recorded.profile = chosen = profile("coarse", window="auto", confidence=0.2, plan_for="read")
    events = recorded.generate(GenerationRequest(prompt(12), max_new_tokens=40))
    for event in events:
        if isinstance(event, Drafted):
            break
    events.close()
    request = GenerationRequest(prompt(12), max_new_tokens=20)
    assert told(answer(recorded, chosen, request))[0] == told(answer(plain, chosen, request))[0]


def test_preparing_leaves_the_text_alone(tiny_model):
    plain, recorded = plain_and_programmed(tiny_model("llama")[0])
    chosen, request = profile("fine", confidence=0.2), GenerationRequest(prompt(12), max_new_tokens=20)
    recorded.profile = chosen
    events = []
    for event in recorded.generate(request):
        events.append(event)
        if isinstance(event, Prefilled):  # a GPU warms up what it records: its passes are run
            text = recorded._recorded
            for model, mlp, size in [(text.drafter, text.policy, 1), (text.model, text._watch, 16)]:
                text._recorded(model, mlp, size)([7] * size, len(request.prompt_ids))
    assert told(events)[0] == told(answer(plain, chosen, request))[0]


def test_where_there_is_no_room_for_padding_a_pass_is_run_as_it_is(tiny_model):
    plain, recorded = plain_and_programmed(tiny_model("opt")[0])  # whose positions are a table
    chosen = profile("fine", accept="exact", window=12, confidence=0.1)
    request = GenerationRequest(prompt(plain.context - 30), max_new_tokens=500)
    assert told(answer(recorded, chosen, request))[0] == told(answer(plain, chosen, request))[0]
    loop, capacity = recorded._recorded, recorded._text.cache.capacity
    loop.cache.lengths[0] = capacity - 3
    logits = loop._pass(loop.model, [0], [[1, 2, 3]], [capacity - 3], Watch())
    assert logits.shape[0] == 3
    with pytest.raises(IndexError, match="exceed"):
        loop._pass(loop.model, [0], [[1, 2, 3]], [capacity - 2], Watch())


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_pass_does_the_same_whatever_the_text_and_never_waits(method, tiny_model):
    """The conditions of a CUDA graph: the same operations on the same memory, and no look at the results."""
    _, engine = plain_and_programmed(tiny_model("llama-blocks")[0])
    engine.profile = profile(method, precision="int8", lookup=2, confidence=0.3)
    list(engine.generate(GenerationRequest(prompt(60), max_new_tokens=9)))
    loop, cache = engine._recorded, engine._text.cache
    for model, mlp, size in ((loop.drafter, loop.policy, 1), (loop.model, loop._watch, 8)):
        recorded, done = RecordedPass(model, cache, mlp, size), []
        for ids, start in (([3], 12), ([5, 9, 2, 4][:size], 1), ([8], 50)):
            recorded(ids, start)
            with Recording([recorded._ids, recorded._start, *cache.k, *cache.v]) as recording:
                logits = recorded.run()
            assert torch.equal(logits[: len(ids)], recorded(ids, start))
            done.append(recording.seen)
        assert len(done[0]) > 30
        assert done[0] == done[1] == done[2]
