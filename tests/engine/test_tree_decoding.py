"""Whole answers by trees, on random tiny models."""

import pytest
import torch
from engines import DENSE, generate, ids_of, make_engine, profile, prompt, text_of, tokens_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tree_checks import assert_holds, scores_of

from sirius_cli.core.events import Checked, Committed, Drafted, Finished, Planned, Prefilled
from sirius_cli.core.metrics import fold
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.trees.loop import TreeLoop

fuzz = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBA = Ops("numba", "test")


def of_kind(events, kind, row=0):
    return [event for event in events if isinstance(event, kind) and event.row == row]


FAMILIES = ("llama", "llama-linear", "mistral", "qwen2-sliding", "qwen3", "gemma2", "phi3-longrope", "olmo2", "opt")


@pytest.mark.parametrize("name", FAMILIES)
def test_exact_is_dense_for_every_family(name, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    request = GenerationRequest(prompt(), max_new_tokens=40)
    dense = generate(engine, DENSE, request)
    exact = generate(engine, profile("coarse", keep=0.2, accept="exact", window=5, tree_width=4), request)
    assert ids_of(exact) == ids_of(dense)
    assert any(token.origin == "correction" for token in tokens_of(exact))
    assert max(event.nodes for event in of_kind(exact, Checked)) == 16


@fuzz
@given(
    method=st.sampled_from(["coarse", "fine"]),
    width=st.integers(2, 16),
    lookup=st.integers(0, 2),
    window=st.integers(1, 12) | st.just("auto"),
    keep=st.sampled_from([0.02, 0.5, 1.0]),
    length=st.integers(1, 30),
    limit=st.integers(1, 50),
    eos=st.frozensets(st.integers(0, 100), max_size=4),
    stops=st.lists(st.text(st.sampled_from([chr(0x21 + i) for i in range(101)]), min_size=1, max_size=2), max_size=4),
    confidence=st.sampled_from([0.0, 0.1, 1.0]),
    refresh=st.integers(0, 3),
    compiled=st.booleans(),
    seed=st.integers(0, 50),
)
def test_exact_is_dense_whatever_the_tree(
    method, width, lookup, window, keep, length, limit, eos, stops, confidence, refresh, compiled, seed, tiny_model
):
    engine = make_engine(tiny_model("llama")[0], eos=eos, ops=NUMBA if compiled else torch_ops())
    request = GenerationRequest(prompt(length, seed), max_new_tokens=limit, stop=tuple(stops))
    dense = generate(engine, DENSE, request)
    chosen = profile(
        method, accept="exact", window=window, keep=keep, confidence=confidence, refresh=refresh, decay=0.5,
        lookup=lookup, tree_width=width,
    )  # fmt: skip
    exact = generate(engine, chosen, request)
    assert ids_of(exact) == ids_of(dense)
    assert text_of(exact) == text_of(dense)
    assert exact[-1].reason == dense[-1].reason


@pytest.mark.parametrize("accept", ["exact", "likelihood"])
@pytest.mark.parametrize("more", [{}, {"confidence": 0.2, "keep": 0.9}, {"lookup": 1}])
@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_a_tree_one_wide_is_the_chain(method, more, accept, tiny_model, monkeypatch):
    engine = make_engine(tiny_model("llama")[0], eos=frozenset({7, 50}))
    request = GenerationRequest(prompt(), max_new_tokens=40)
    chosen = profile(method, accept=accept, window=6, **more)
    if more.get("lookup"):  # a tree looks up where it begins alone: there the two may differ, but for the text
        chosen = profile(method, accept="exact", window=6, **more)
    chain = generate(engine, chosen, request)
    monkeypatch.setattr(Profile, "trees", property(lambda self: True))
    assert isinstance(engine._loop(engine._cache(1, 9), engine._statistic(1), 0.0), TreeLoop)
    tree = generate(engine, chosen, request)
    assert ids_of(tree) == ids_of(chain)
    if more.get("lookup"):
        return
    assert [token.origin for token in tokens_of(tree)] == [token.origin for token in tokens_of(chain)]
    for one, other in zip(of_kind(tree, Checked), of_kind(chain, Checked), strict=True):
        assert (one.drafted, one.accepted, one.short) == (other.drafted, other.accepted, other.short)
        assert one.activity == pytest.approx(other.activity)
    assert fold(tree).effective_density == pytest.approx(fold(chain).effective_density)
    for one, other in zip(tokens_of(tree), tokens_of(chain), strict=True):
        assert one.p == pytest.approx(other.p, abs=1e-5)
        assert (one.draft_id, one.draft_text) == (other.draft_id, other.draft_text)


def test_without_a_width_there_is_no_tree(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    for chosen in (
        profile("coarse"), profile("coarse", tree_width=4, enabled=False), profile("dense", tree_width=4),
        profile("dense", tree_width=4, lookup=2),
    ):  # fmt: skip
        assert not chosen.trees
        engine.profile = chosen
        assert not isinstance(engine._loop(engine._cache(1, 9), engine._statistic(1), 0.0), TreeLoop)
        assert not any(event.nodes for event in of_kind(generate(engine, chosen, request()), Checked))


def request(length=30, **more):
    return GenerationRequest(prompt(), max_new_tokens=length, **more)


@pytest.mark.parametrize("accept", ["exact", "likelihood"])
@pytest.mark.parametrize("name", ["mistral", "opt"])
def test_after_every_check_cache_and_statistic_are_those_of_a_fresh_dense_prefill(name, accept, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    engine.profile = profile("coarse", accept=accept, window=6, tree_width=5)
    loops, make_loop = [], engine._loop
    engine._loop = lambda *arguments: loops.append(make_loop(*arguments)) or loops[-1]
    ids, moved = list(prompt()), 0
    for event in engine.generate(request()):
        if isinstance(event, Committed):
            ids += [token.token_id for token in event.tokens]
            if event.window > 0:
                assert_holds(engine, engine._text.cache, ids[:-1])
                expected = scores_of(engine, ids[:-1])
                torch.testing.assert_close(loops[0].statistic.scores, expected, atol=1e-4, rtol=1e-4)
        elif isinstance(event, Checked):
            moved += event.accepted > 1
    assert moved > 0


@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_every_step_is_told_and_then_the_path(method, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(engine, profile(method, keep=0.3, window=5, tree_width=3), request(40))
    steps, nodes, path = 0, 0, ()
    for event in events:
        match event:
            case Drafted(steps=1):
                assert event.token_ids == event.texts == event.probabilities == ()
                steps, nodes = steps + 1, nodes + event.nodes
            case Drafted():
                assert (event.steps, event.nodes, event.seconds) == (0, 0, 0.0)
                path = event.token_ids
            case Checked():
                assert (event.drafted, event.nodes) == (steps, nodes)
                assert event.accepted <= len(path) <= event.drafted
                assert event.short == (steps < 4)
                accepted = event.accepted
            case Committed() if event.window:
                assert (
                    tuple(token.token_id for token in event.tokens)[:accepted] == path[: len(event.tokens)][:accepted]
                )
                last = event.tokens[-1]
                if len(event.tokens) == accepted + 1:
                    assert last.origin == ("bonus" if accepted == len(path) else "correction")
                    assert last.origin == "bonus" or last.draft_id == path[accepted]
                steps, nodes = 0, 0
    cost = engine.draft_cost
    metrics = fold(events)
    assert (cost.read == 1.0) == (method == "fine")
    reads, taken = cost.read, sum(event.passes for event in of_kind(events, Drafted))
    checks, advance = metrics.checks, len(ids_of(events)) - 1
    assert metrics.effective_read == pytest.approx((taken * reads + checks) / advance)
    assert metrics.effective_density == pytest.approx((taken * cost.density + checks) / advance)


def test_trees_go_further_than_chains(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    advances = [
        fold(generate(engine, profile("coarse", accept="exact", window=6, tree_width=width), request(60))).aal
        for width in (1, 2, 8)
    ]
    assert advances == sorted(advances)
    assert advances[0] < advances[-1]


@fuzz
@given(
    method=st.sampled_from(["coarse", "fine"]),
    width=st.integers(2, 16),
    window=st.integers(2, 9),
    spec=st.builds(
        SamplingSpec,
        temperature=st.sampled_from([0.3, 1.0, 2.0]),
        top_p=st.sampled_from([0.5, 1.0]),
        top_k=st.sampled_from([0, 5]),
        seed=st.integers(0, 99),
    ),
)
def test_exact_sampling_is_dense_sampling_with_the_same_seed(method, width, window, spec, tiny_model):
    """Nothing but the tokens of the text is drawn, in their order."""
    engine, sampled = make_engine(tiny_model("llama")[0]), request(30, sampling=spec)
    chosen = profile(method, accept="exact", window=window, tree_width=width)
    assert ids_of(generate(engine, chosen, sampled)) == ids_of(generate(engine, DENSE, sampled))


@pytest.mark.parametrize("accept", ["exact", "likelihood"])
def test_a_sampled_answer_is_reproducible_and_its_corrections_replace_something(accept, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    sampled = request(40, sampling=SamplingSpec(temperature=0.7, seed=3))
    chosen = profile("coarse", accept=accept, window=6, tree_width=4)
    first, second = (generate(engine, chosen, sampled) for _ in range(2))
    assert ids_of(first) == ids_of(second)
    corrections = [token for token in tokens_of(first) if token.origin == "correction"]
    assert corrections
    assert all(token.draft_id != token.token_id for token in corrections)


def test_texts_of_a_batch_come_one_after_another_and_that_is_told(tiny_model):
    engine = make_engine(tiny_model("llama")[0], eos=frozenset(range(90, 96)))
    chosen = profile("coarse", window=6, tree_width=3, refresh=2)
    requests = [
        GenerationRequest(prompt(length, seed=length), max_new_tokens=limit)
        for length, limit in [(3, 40), (17, 5), (9, 25), (1, 1)]
    ]
    engine.profile = chosen
    together = list(engine.generate_batch(requests))
    at_work = [event.row for event in together if isinstance(event, Prefilled | Finished)]
    assert at_work == [0, 0, 1, 1, 2, 2, 3, 3]
    for row, one in enumerate(requests):
        alone = generate(engine, chosen, one)
        assert ids_of(together, row) == ids_of(alone)
        assert fold(e for e in together if e.row == row).advances == fold(alone).advances
        if one.max_new_tokens > 1:
            (told,) = of_kind(together, Planned, row)
            assert (told.size, told.reason) == (6, "trees take one text at a time")
            assert not of_kind(alone, Planned)
    engine.profile = chosen
    assert not of_kind(list(engine.generate_batch(requests[:1])), Planned)


@pytest.mark.parametrize(
    ("method", "more", "reason"),
    [
        ("coarse", {"window": "auto"}, "trees have one size"),
        ("fine", {}, "trees compute all neurons of a fine draft"),
        ("coarse", {"lookup": 2}, "trees look up at their root only"),
        (
            "fine", {"window": "auto", "lookup": 2},
            "trees have one size, compute all neurons of a fine draft and look up at their root only",
        ),
    ],
)  # fmt: skip
def test_what_trees_leave_out_is_told_once(method, more, reason, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(engine, profile(method, tree_width=2, accept="exact", **more), request())
    (told,) = of_kind(events, Planned)
    assert (told.size, told.reason) == (16, reason)
    assert ids_of(events) == ids_of(generate(engine, DENSE, request()))


def test_a_full_context_ends_the_answer(tiny_model):
    engine = make_engine(tiny_model("opt")[0])  # whose positions are a table
    for accept in ("exact", "likelihood"):
        chosen = profile("coarse", window=16, tree_width=16, accept=accept)
        events = generate(engine, chosen, GenerationRequest(prompt(engine.context - 9), max_new_tokens=500))
        assert events[-1].reason == "context"
        assert len(ids_of(events)) == 9


def test_a_conversation_goes_on_over_the_same_cache(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=5, tree_width=3)
    first = prompt(12)
    answer = ids_of(list(engine.generate(GenerationRequest(first, max_new_tokens=11))))
    second = GenerationRequest((*first, *answer, *prompt(4, seed=3)), max_new_tokens=20)
    reused = list(engine.generate(second))
    assert reused[0].reused_tokens == len(first) + 10
    assert ids_of(reused) == ids_of(generate(engine, engine.profile, second))
    engine.profile = profile("coarse", window=5, tree_width=16)  # takes more room behind the text
    assert ids_of(list(engine.generate(second)))


def test_a_tree_may_be_cancelled_between_two_of_its_steps(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=6, tree_width=3, accept="exact")
    events, seen = engine.generate(request(40)), []
    for event in events:
        seen.append(event)
        if isinstance(event, Drafted) and event.window == 3:
            break
    events.close()
    longer = GenerationRequest((*prompt(), *ids_of(seen)), max_new_tokens=10)
    resumed = list(engine.generate(longer))
    assert resumed[0].reused_tokens == len(longer.prompt_ids) - 1
    whole = ids_of(generate(engine, DENSE, request(len(ids_of(seen)) + 10)))
    assert ids_of(seen) + ids_of(resumed) == whole
