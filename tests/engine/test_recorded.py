"""Loops over recorded passes: what the plain loop does, and nothing in a pass that a GPU could not record."""

from unittest.mock import patch

import pytest
import torch
from engines import answer, generate, ids_of, plain_and_programmed, profile, prompt, tokens_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recordings import Emulated, Recording, emulated

from sirius_cli.core.events import Checked, Drafted, Planned, Prefilled
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.engine import recorded
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.programmed import alike
from sirius_cli.engine.recorded import RecordedLesson, RecordedPass, Recordings
from sirius_cli.engine.replay import GraphMemory

fuzz = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(events):
    """All that is told but the time; figures that padding may round differently are apart."""
    drafts = [(e.window, e.token_ids, e.source, e.nodes) for e in events if isinstance(e, Drafted)]
    checks = [(e.window, e.drafted, e.accepted, e.short, e.nodes) for e in events if isinstance(e, Checked)]
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
    width=st.sampled_from([1, 1, 2, 3, 6]),
    refresh=st.integers(0, 2),
    enabled=st.booleans(),
    temperature=st.sampled_from([0.0, 0.8]),
    length=st.integers(1, 30),
    limit=st.integers(1, 40),
    compiled=st.booleans(),
    seed=st.integers(0, 50),
)
def test_the_same_as_the_plain_loop(
    method,
    accept,
    window,
    confidence,
    lookup,
    width,
    refresh,
    enabled,
    temperature,
    length,
    limit,
    compiled,
    seed,
    tiny_model,
):  # fmt: skip
    ops = Ops("numba", "test") if compiled else torch_ops()
    engines = plain_and_programmed(tiny_model("llama")[0], ops=ops)
    chosen = profile(
        method, accept=accept, window=window, confidence=confidence, lookup=lookup, refresh=refresh, decay=0.8,
        enabled=enabled, plan_for="read", tree_width=width,
    )  # fmt: skip
    sampling = SamplingSpec(temperature=temperature, seed=seed)
    assume(temperature > 0.0 or not alike(chosen))  # else whole windows are programs
    request = GenerationRequest(prompt(length, seed), max_new_tokens=limit, sampling=sampling)
    with emulated():
        (expected, sure), (got, ours) = (told(answer(engine, chosen, request)) for engine in engines)
    assert got == expected
    for one, other in zip(ours, sure, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_one_loop_serves_a_conversation_and_other_prompts(tiny_model):
    plain, engine = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile("coarse", window=5, confidence=0.2, refresh=2, lookup=2)
    said = ids_of(answer(engine, chosen, GenerationRequest(prompt(12), max_new_tokens=11)))
    held, replaying = engine._recorded, Emulated()
    assert isinstance(held.passes, Recordings)
    for ids in ((*prompt(12), *said, *prompt(4, seed=3)), prompt(7, seed=5), prompt(40, seed=6)):
        request = GenerationRequest(ids, max_new_tokens=15)
        with emulated(replaying):
            got = answer(engine, chosen, request)
        plain._text = None
        assert ids_of(got) == ids_of(answer(plain, chosen, request))
    assert engine._recorded is held
    assert replaying.replays > 4 * len(replaying.recorded)


def test_an_answer_that_was_given_up_leaves_nothing_behind(tiny_model):
    plain, engine = plain_and_programmed(tiny_model("llama")[0])
    engine.profile = chosen = profile("coarse", window="auto", confidence=0.2, plan_for="read")
    events = engine.generate(GenerationRequest(prompt(12), max_new_tokens=40))
    for event in events:
        if isinstance(event, Drafted):
            break
    events.close()
    request = GenerationRequest(prompt(12), max_new_tokens=20)
    assert told(answer(engine, chosen, request))[0] == told(answer(plain, chosen, request))[0]


@fuzz
@given(
    method=st.sampled_from(["dense", "coarse", "fine"]),
    window=st.sampled_from([1, 3, 6, "auto"]),
    confidence=st.sampled_from([0.0, 0.3]),
    lookup=st.sampled_from([0, 1]),
    refresh=st.integers(0, 2),
    enabled=st.booleans(),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    limit=st.integers(1, 30),
    places=st.integers(1, 5),
    most=st.sampled_from([1, 8, 128]),
    seed=st.integers(0, 50),
)
def test_the_same_as_the_plain_loop_on_several_texts(
    method, window, confidence, lookup, refresh, enabled, lengths, limit, places, most, seed, tiny_model
):
    engines = plain_and_programmed(tiny_model("llama")[0], eos=frozenset(range(90, 93)))
    chosen = profile(
        method, accept="exact", window=window, confidence=confidence, lookup=lookup, refresh=refresh, decay=0.8,
        enabled=enabled, plan_for="read",
    )  # fmt: skip
    requests = [
        GenerationRequest(prompt(length, seed + row), max_new_tokens=limit + row) for row, length in enumerate(lengths)
    ]
    with emulated(), patch.object(recorded, "_MOST_TOKENS", most):
        plain, ours = (together(engine, chosen, requests, places) for engine in engines)
    for row in range(len(requests)):
        (expected, sure), (got, found) = (told([e for e in one if e.row == row]) for one in (plain, ours))
        assert got == expected
        for one, other in zip(found, sure, strict=True):
            assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_padding_leaves_the_other_texts_alone(tiny_model):
    plain, engine = plain_and_programmed(tiny_model("llama")[0])
    lengths = (40, 5, 6, 7, 8)  # what were written into the first text by mistake would be read
    requests = [GenerationRequest(prompt(length, seed=length), max_new_tokens=30) for length in lengths]
    chosen = profile("coarse", accept="exact", window=7, confidence=0.01)
    with emulated():
        ours = together(engine, chosen, requests, 5)
    expected = together(plain, chosen, requests, 5)
    assert [ids_of(ours, row) for row in range(5)] == [ids_of(expected, row) for row in range(5)]


def test_what_was_put_off_is_learnt_before_neurons_are_chosen(tiny_model):
    """Dense steps between windows are learnt from later, which no recording would know."""
    plain, engine = plain_and_programmed(tiny_model("llama")[0])
    chosen = profile("coarse", accept="exact", window="auto", plan_for="read", refresh=1, decay=0.8, keep=0.3)
    for seed in range(4):
        request = GenerationRequest(prompt(12, seed=seed), max_new_tokens=60)
        with emulated():
            ours = answer(engine, chosen, request)
        expected = generate(plain, chosen, request)
        assert {event.size for event in expected if isinstance(event, Planned)} > {1}
        assert told(ours)[0] == told(expected)[0]


def together(engine, chosen, requests, places):
    engine.profile = chosen
    return list(engine.generate_batch(requests, places=places))


def test_preparing_leaves_the_text_alone(tiny_model):
    plain, engine = plain_and_programmed(tiny_model("llama")[0])
    chosen, request = profile("fine", confidence=0.2), GenerationRequest(prompt(12), max_new_tokens=20)
    engine.profile = chosen
    events = []
    for event in engine.generate(request):
        events.append(event)
        if isinstance(event, Prefilled):  # a GPU warms up what it records: its passes are run
            loop = engine._recorded
            for model, mlp, size in [(loop.drafter, loop.policy, 1), (loop.model, loop._watch, 16)]:
                loop.passes.run(model, [0], [[7] * size], [len(request.prompt_ids)], mlp)
    assert told(events)[0] == told(answer(plain, chosen, request))[0]


@pytest.mark.parametrize("width", [1, 3])
def test_where_there_is_no_room_for_padding_a_pass_is_run_as_it_is(width, tiny_model):
    plain, engine = plain_and_programmed(tiny_model("opt")[0])  # whose positions are a table
    chosen = profile("coarse", accept="exact", window=12, confidence=0.1, tree_width=width)
    request = GenerationRequest(prompt(plain.context - 30), max_new_tokens=500)
    assert told(answer(engine, chosen, request))[0] == told(answer(plain, chosen, request))[0]
    loop, capacity = engine._recorded, engine._text.cache.capacity
    loop.cache.lengths[0] = capacity - 3
    logits = loop.passes.run(loop.model, [0], [[1, 2, 3]], [capacity - 3], Watch())
    assert logits.shape[0] == 3
    with pytest.raises(IndexError, match="exceed"):
        loop.passes.run(loop.model, [0], [[1, 2, 3]], [capacity - 2], Watch())


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_pass_does_the_same_whatever_the_text_and_never_waits(method, tiny_model):
    """The conditions of a CUDA graph: the same operations on the same memory, and no look at the results."""
    _, engine = plain_and_programmed(tiny_model("llama-blocks")[0])
    engine.profile = profile(method, precision="int8", lookup=2, confidence=0.3)
    list(engine.generate(GenerationRequest(prompt(60), max_new_tokens=9)))
    loop, cache = engine._recorded, engine._text.cache
    for model, mlp, size in ((loop.drafter, loop.policy, 1), (loop.model, loop._watch, 8)):
        found = RecordedPass(model, cache, mlp, 1, size, 0, GraphMemory())
        calls = [([0], [ids[:size]], [start]) for ids, start in (([3], 12), ([5, 9, 2, 4], 1), ([8], 50))]
        assert_alike(found, cache, calls)


def test_a_pass_of_a_tree_does_the_same_whatever_the_tree(tiny_model):
    _, engine = plain_and_programmed(tiny_model("llama")[0])
    engine.profile = profile("coarse", tree_width=3)
    list(engine.generate(GenerationRequest(prompt(60), max_new_tokens=9)))
    loop, cache = engine._recorded, engine._text.cache
    for model, mlp in ((loop.drafter, loop.policy), (loop.model, loop._watch)):
        found = RecordedPass(model, cache, mlp, 1, 4, 6, GraphMemory())
        paths = ([[0]], [[0, -1], [0, 1], [0, 2]], [[0, 1, 3], [0, 1, 4], [0, 2, 5], [0, 2, 6]])
        trees = [torch.tensor(path, dtype=torch.int32) for path in paths]
        assert_alike(found, cache, [([0], [[5] * len(tree)], [40 + int(tree[0].max())], tree) for tree in trees])


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_pass_of_several_texts_does_the_same_whatever_they_are(method, tiny_model):
    _, engine = plain_and_programmed(tiny_model("llama-blocks")[0])
    engine.profile = profile(method, precision="int8")
    cache, statistic = engine._cache(3, 60), engine._statistic(3)
    for tensor in (*cache.k, *cache.v):
        tensor.zero_()
    loop = engine._loop(cache, statistic, 0.0, texts=3)
    calls = [([2], [[5]], [7]), ([2, 0, 1], [[3], [4], [9]], [11, 0, 5]), ([1, 2], [[1], [8]], [50, 8])]
    for model, mlp in ((loop.drafter, loop.policy), (loop.model, loop._watch)):
        found = RecordedPass(model, cache, mlp, 3, 1, 0, GraphMemory())
        assert_alike(found, cache, calls, loop.policy.focus)


def assert_alike(found, cache, calls, focus=None):
    """Whether ``found`` does the same in all ``calls``."""
    done = []
    for places, *call in calls:
        if focus is not None:
            focus(places)
        found(places, *call)
        with Recording([found._given, *cache.k, *cache.v]) as recording:
            logits = found.run()
        assert torch.equal(logits[found._tokens([*map(len, call[0])])], found(places, *call))
        done.append(recording.seen)
    assert len(done[0]) > 30
    assert all(one == done[0] for one in done)


@pytest.mark.parametrize("refresh", [0, 1])
def test_a_lesson_does_the_same_whatever_it_is_and_never_waits(refresh, tiny_model):
    _, engine = plain_and_programmed(tiny_model("llama")[0])
    engine.profile = chosen = profile("coarse", refresh=refresh, decay=0.8, confidence=0.3)
    list(engine.generate(GenerationRequest(prompt(30), max_new_tokens=9)))
    loop, done = engine._recorded, []
    shape = len(engine.model.config.layers), 7, engine.model.config.intermediate_size
    lesson = RecordedLesson(loop.statistic, torch.ones(shape), 8, GraphMemory())
    for count in (1, 7, 4):
        lesson(torch.randn(shape)[:, :count], 0)
        with Recording([lesson._seen, *loop.statistic.state, *loop.policy.state]) as recording:
            lesson.run()
            loop.policy.checked(0)
        done.append(recording.seen)
    assert len(done[0]) > 10
    assert done[0] == done[1] == done[2]
    assert loop.policy.chooses_at_checks == (refresh == 1)
    assert chosen.draft.refresh == refresh
