"""The invariants of drafting and checking, on random tiny models."""

import math
from itertools import chain, cycle

import pytest
import torch
from engines import DENSE, drafts_of, generate, ids_of, make_engine, profile, prompt, text_of, tokens_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import VARIANTS, VOCABULARY

from sirius_cli.core.events import Checked, Committed, Drafted, Finished, Planned
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.planning.planner import Plan, Planner
from sirius_cli.engine.planning.sizes import LONGEST

fuzz = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBA = Ops("numba", "test")
# Random models repeat themselves less, and disagree with their drafts more, than trained ones: good for testing.


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_exact_is_dense_for_every_family(name, method, tiny_model):
    engine = make_engine(tiny_model(name)[0])
    request = GenerationRequest(prompt(), max_new_tokens=40)
    dense = generate(engine, DENSE, request)
    exact = generate(engine, profile(method, keep=0.2, accept="exact", window=5), request)
    assert ids_of(exact) == ids_of(dense)
    assert len(ids_of(dense)) == 40
    assert any(token.origin == "correction" for token in tokens_of(exact))


@fuzz
@given(
    method=st.sampled_from(["dense", "coarse", "fine"]),
    lookup=st.integers(0, 3),
    window=st.integers(1, 20) | st.just("auto"),
    plan_for=st.sampled_from(["speed", "read"]),
    keep=st.sampled_from([0.02, 0.3, 0.5, 0.9, 1.0]),
    length=st.integers(1, 30),
    limit=st.integers(1, 50),
    eos=st.frozensets(st.integers(0, 100), max_size=4),
    stops=st.lists(st.text(st.sampled_from([chr(0x21 + i) for i in range(101)]), min_size=1, max_size=2), max_size=4),
    confidence=st.sampled_from([0.0, 0.1, 1.0]),
    refresh=st.integers(0, 3),
    decay=st.sampled_from([0.3, 1.0]),
    compiled=st.booleans(),
    seed=st.integers(0, 50),
)
def test_exact_is_dense_whatever_the_window_and_stops(
    method,
    lookup,
    window,
    plan_for,
    keep,
    length,
    limit,
    eos,
    stops,
    confidence,
    refresh,
    decay,
    compiled,
    seed,
    tiny_model,
):
    engine = make_engine(tiny_model("llama")[0], eos=eos, ops=NUMBA if compiled else torch_ops())
    request = GenerationRequest(prompt(length, seed), max_new_tokens=limit, stop=tuple(stops))
    dense = generate(engine, DENSE, request)
    chosen = profile(
        method, accept="exact", window=window, plan_for=plan_for, keep=keep, confidence=confidence, refresh=refresh,
        decay=decay, lookup=lookup,
    )  # fmt: skip
    exact = generate(engine, chosen, request)
    assert ids_of(exact) == ids_of(dense)
    assert text_of(exact) == text_of(dense)
    assert isinstance(exact[-1], Finished)
    assert exact[-1].reason == dense[-1].reason


@fuzz
@given(
    sizes=st.lists(st.integers(1, LONGEST), min_size=1, max_size=12),
    method=st.sampled_from(["coarse", "fine"]),
    keep=st.sampled_from([0.02, 0.5, 1.0]),
    refresh=st.integers(0, 2),
    sampled=st.booleans(),
    seed=st.integers(0, 20),
)
def test_exact_is_dense_whatever_is_planned(sizes, method, keep, refresh, sampled, seed, tiny_model):
    """The cache too: after every check it is that of a fresh dense prefill, and the events say what was planned."""
    engine, plans = make_engine(tiny_model("llama")[0]), chain([1], cycle(sizes))
    sampling = SamplingSpec(temperature=1e-4 if sampled else 0.0)  # so cold that it is greedy
    request = GenerationRequest(prompt(seed=seed), max_new_tokens=40, sampling=sampling)
    dense = generate(engine, DENSE, request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Planner, "next", lambda self: Plan(next(plans), "the test says so"))
        engine.profile = profile(method, accept="exact", window="auto", keep=keep, refresh=refresh)
        engine._text, ids, size, drafted = None, list(prompt(seed=seed)), None, []
        for event in engine.generate(request):
            if isinstance(event, Planned):
                assert event.size != size
                size = event.size
            elif isinstance(event, Checked):
                drafted.append(event.drafted)
                assert event.drafted <= size - 1
                assert event.short == (event.drafted < size - 1)
                assert bool(event.activity) == (size > 1)
            elif isinstance(event, Committed):
                ids += [token.token_id for token in event.tokens]
                if event.window > 0:
                    assert_holds(engine, engine._text.cache, ids[:-1])
    assert ids[len(prompt()) :] == ids_of(dense)
    assert drafted[:2] == [0, min(sizes[0], 38) - 1]


def test_what_an_answer_took_is_known_to_the_next(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen, request = profile("coarse", window="auto"), GenerationRequest(prompt(), max_new_tokens=20)
    first, second = generate(engine, chosen, request), generate(engine, chosen, request)
    twins = list(engine.twin(chosen).generate(request))
    reasons = [next(e.reason for e in events if isinstance(e, Planned)) for events in (first, second, twins)]
    assert reasons[0] == "times a dense step"
    assert "times a dense step" not in reasons[1:]


@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_planned_for_reads_an_answer_is_always_the_same(method, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen = profile(method, window="auto", plan_for="read", keep=0.2)
    request = GenerationRequest(prompt(), max_new_tokens=80)
    first, second = generate(engine, chosen, request), generate(engine, chosen, request)
    assert fold(first).advances == fold(second).advances
    planned = [e.size for e in first if isinstance(e, Planned)]
    assert planned == [e.size for e in second if isinstance(e, Planned)]
    assert planned[0] == 1 < max(planned)
    assert fold(first).effective_read <= 1.025


@pytest.mark.parametrize("rows", [1, 3])
def test_dense_steps_of_a_plan_are_learnt_from_all_the_same(rows, tiny_model, monkeypatch):
    """As many as wait at most, and more."""
    engine = make_engine(tiny_model("llama")[0])
    monkeypatch.setattr(Planner, "next", lambda self: Plan(1, "the test says so"))
    engine.profile = profile("coarse", window="auto", refresh=1)
    requests = [GenerationRequest(prompt(9, seed=row), max_new_tokens=70 + row) for row in range(rows)]
    loops, make_loop = [], engine._loop
    engine._loop = lambda *arguments, **options: loops.append(make_loop(*arguments, **options)) or loops[-1]
    events = list(engine.generate_batch(requests))
    for row, request in enumerate(requests):
        ids = [*request.prompt_ids, *ids_of(events, row)][:-1]
        expected = scores_of(engine, ids, [len(ids)], 1.0)[:, 0]
        torch.testing.assert_close(loops[0].statistic.scores[:, row], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("method", ["dense", "coarse"])
def test_a_dense_profile_and_a_draft_alone_plan_nothing(method, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen = profile(method, window="auto", enabled=method == "dense")
    events = generate(engine, chosen, GenerationRequest(prompt(), max_new_tokens=9))
    assert len(ids_of(events)) == 9
    assert not [event for event in events if isinstance(event, Planned)]


@pytest.mark.parametrize("method", ["coarse", "fine"])
@pytest.mark.parametrize("settings_", [{"keep": 1.0, "enabled": False}, {"window": 1}])
def test_keep_one_and_window_one_are_dense(method, settings_, tiny_model):
    engine = make_engine(tiny_model("qwen2")[0])
    request = GenerationRequest(prompt(), max_new_tokens=30)
    assert ids_of(generate(engine, profile(method, **settings_), request)) == ids_of(generate(engine, DENSE, request))


def test_the_sparse_draft_alone_differs(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    request = GenerationRequest(prompt(), max_new_tokens=30)
    dense = ids_of(generate(engine, DENSE, request))
    assert ids_of(generate(engine, profile("coarse", keep=0.3, enabled=False), request)) != dense
    assert ids_of(generate(engine, profile("fine", keep=0.1, enabled=False), request)) != dense


@pytest.mark.parametrize("method", ["coarse", "fine"])
@pytest.mark.parametrize("name", ["llama", "gemma3_text", "opt"])
@pytest.mark.parametrize("ops", [torch_ops(), NUMBA], ids=["torch", "numba"])
def test_skipping_equals_the_masked_oracle(method, name, ops, tiny_model):
    engine = make_engine(tiny_model(name)[0], ops=ops)
    request = GenerationRequest(prompt(), max_new_tokens=25)
    chosen = profile(method, enabled=False)
    skipped = generate(engine, chosen, request)
    engine.masked = True
    masked = generate(engine, chosen, request)
    assert ids_of(skipped) == ids_of(masked)
    gaps = [abs(a.p - b.p) for a, b in zip(tokens_of(skipped), tokens_of(masked), strict=True)]
    assert max(gaps) < 1e-5
    assert fold(masked).effective_read == 1.0
    assert fold(skipped).effective_read < 1.0


@pytest.mark.parametrize("accept", ["exact", "likelihood"])
def test_after_every_check_the_cache_is_that_of_a_fresh_dense_prefill(accept, tiny_model):
    engine = make_engine(tiny_model("mistral")[0])
    engine.profile = profile("coarse", accept=accept, window=6)
    ids = list(prompt())
    for event in engine.generate(GenerationRequest(prompt(), max_new_tokens=30)):
        if isinstance(event, Committed):
            ids += [token.token_id for token in event.tokens]
        if isinstance(event, Committed) and event.window > 0:
            assert_holds(engine, engine._text.cache, ids[:-1])
    assert event.kind == "finished"


def assert_holds(engine, cache, ids):
    assert cache.lengths == [len(ids)]
    fresh = KVCache(engine.model.config, 1, len(ids), dtype=torch.float32)
    engine.model.run(torch.tensor([ids]), torch.tensor([0]), fresh)
    for held, expected in zip((*cache.k, *cache.v), (*fresh.k, *fresh.v), strict=True):
        torch.testing.assert_close(held[:, :, : len(ids)], expected, atol=1e-5, rtol=1e-5)


def test_a_set_is_chosen_anew_by_what_checks_have_shown(tiny_model):
    """After every second check the lists are the best of the text so far, each check having halved what was before."""
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=4, refresh=2, decay=0.5)
    ids, bounds, lists, loops = list(prompt(12)), [12], [], []
    make_loop = engine._loop
    engine._loop = lambda *arguments: loops.append(make_loop(*arguments)) or loops[-1]
    for event in engine.generate(GenerationRequest(tuple(ids), max_new_tokens=24)):
        if not isinstance(event, Committed):
            continue
        ids += [token.token_id for token in event.tokens]
        if event.window == 0:
            continue
        bounds.append(len(ids) - 1)
        expected, scores = scores_of(engine, ids, bounds, 0.5), loops[0].statistic.scores
        *active, faded = loops[0].policy.state
        torch.testing.assert_close(scores, scores_of(engine, ids, bounds, 1.0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(scores - faded, expected, atol=1e-4, rtol=1e-4)
        lists.append(torch.stack(active))
        if event.window % 2 == 0:
            best = expected[:, 0].topk(lists[-1].shape[1]).indices.sort().values
            assert torch.equal(lists[-1].long(), best)
        elif event.window > 1:
            assert torch.equal(lists[-1], lists[-2])
    assert len(lists) > 4
    assert not torch.equal(lists[0], lists[-1])


def scores_of(engine, ids, bounds, decay):
    """The statistic of ``ids`` read densely, of which the parts that end at ``bounds`` faded check by check."""
    cache = KVCache(engine.model.config, 1, len(ids), dtype=torch.float32)
    statistic = NeuronStatistic(engine.model.down_norms, 1)
    start = 0
    for number, end in enumerate(bounds):
        engine.model.run(torch.tensor([ids[start:end]]), torch.tensor([start]), cache, mlp=statistic)
        statistic.fold([0], [end - start], [end - start])
        if number > 0:
            statistic.scores.mul_(decay)
        start = end
    return statistic.scores


def test_a_full_context_ends_the_answer(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    for chosen in (DENSE, profile("coarse", window=16)):
        events = generate(engine, chosen, GenerationRequest(prompt(120), max_new_tokens=500))
        assert events[-1].reason == "context"
        assert len(ids_of(events)) == engine.context - 120


def test_windows_never_pass_the_length_limit(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(engine, profile("fine", window=16, keep=0.95), GenerationRequest(prompt(), max_new_tokens=7))
    assert len(drafts_of(events)[1]) == 5  # one token came from the prefill, one will come from the check
    assert len(ids_of(events)) == 7
    assert all(event.short for event in events if isinstance(event, Checked))


def test_a_draft_in_doubt_ends_early(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    request = GenerationRequest(prompt(), max_new_tokens=40)
    chosen = profile("coarse", window=9, confidence=0.2, keep=0.95)
    drafts = list(drafts_of(generate(engine, chosen, request)).values())
    for draft in drafts[:-1]:
        certainties = torch.tensor([p for _, p in draft]).cumprod(0)
        assert all(certainties[:-1] >= 0.2)
        assert certainties[-1] < 0.2 or len(draft) == 8
    assert {len(draft) for draft in drafts} > {1}


def test_drafted_tokens_are_told_one_by_one_before_their_check(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(engine, profile("coarse", window=6), GenerationRequest(prompt(), max_new_tokens=30))
    waiting = 0
    for event in events:
        if isinstance(event, Drafted):
            assert len(event.token_ids) == 1
            waiting += 1
        elif isinstance(event, Checked):
            assert event.drafted == waiting
            waiting = 0


def test_a_draft_may_be_cancelled_between_two_of_its_tokens(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=9, accept="exact")
    request = GenerationRequest(prompt(12), max_new_tokens=30)
    for event in (events := engine.generate(request)):
        if isinstance(event, Drafted):
            break
    events.close()
    assert ids_of(list(engine.generate(request))) == ids_of(generate(engine, DENSE, request))


@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_checks_of_a_draft_tell_the_activity_of_every_layer(method, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(engine, profile(method, window=5), GenerationRequest(prompt(), max_new_tokens=12))
    layers = 0 if method == "dense" else len(engine.model.config.layers)
    neurons = engine.model.config.intermediate_size
    for event in events:
        if isinstance(event, Checked):
            assert len(event.activity) == layers
            assert all(1 / neurons <= share <= 1 for share in event.activity)


def test_activity_is_the_share_of_neurons_at_work():
    watch = Watch()
    one, half, all_ = torch.zeros(8), torch.tensor([2.0, -2.0] * 2 + [0.0] * 4), torch.ones(8)
    watch._seen = [torch.stack([one.index_fill(0, torch.tensor(3), 5.0), half, all_])]
    assert watch.activity([1, 1, 1], [1, 1, 1]) == [(0.125,), (0.5,), (1.0,)]
    assert watch.activity([3], [3]) == [(pytest.approx((0.125 + 0.5 + 1.0) / 3),)]


def test_a_correction_tells_the_entropy_of_the_dense_model(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    events = generate(
        engine, profile("coarse", window=6, accept="exact"), GenerationRequest(prompt(), max_new_tokens=40)
    )
    corrections = [token for token in tokens_of(events) if token.origin == "correction"]
    assert corrections
    for token in tokens_of(events):
        assert (token.entropy is not None) == (token.origin == "correction")
        assert token.entropy is None or 0 < token.entropy <= math.log(VOCABULARY)


def test_sampling_is_reproducible_and_follows_the_seed(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    chosen = profile("coarse", window=5, accept="exact")

    def sample(seed):
        spec = SamplingSpec(temperature=1.0, top_p=0.9, top_k=40, seed=seed)
        return ids_of(generate(engine, chosen, GenerationRequest(prompt(), max_new_tokens=20, sampling=spec)))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)
