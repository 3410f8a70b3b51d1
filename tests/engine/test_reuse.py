"""What one answer leaves to the next: the text in the cache, weights, nothing else."""

import pytest
from engines import DENSE, generate, ids_of, make_engine, profile, prompt

from sirius_cli.core.request import GenerationRequest


@pytest.mark.parametrize("decay", [1.0, 0.3])
@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_a_conversation_equals_starting_afresh(method, decay, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile(method, window=5, refresh=1, decay=decay)
    first = prompt(12)
    answer = ids_of(list(engine.generate(GenerationRequest(first, max_new_tokens=11))))
    second = (*first, *answer, *prompt(4, seed=3))
    reused = list(engine.generate(GenerationRequest(second, max_new_tokens=20)))
    assert reused[0].reused_tokens == len(first) + 10
    afresh = generate(engine, engine.profile, GenerationRequest(second, max_new_tokens=20))
    assert afresh[0].reused_tokens == 0
    assert ids_of(reused) == ids_of(afresh)


def test_what_was_forgotten_is_read_again(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.forget()
    engine.profile = profile("coarse", window=5, refresh=1, decay=0.3)
    request = GenerationRequest(prompt(12), max_new_tokens=20)
    first = list(engine.generate(request))
    engine.forget()
    again = list(engine.generate(request))
    assert again[0].reused_tokens == 0
    assert ids_of(again) == ids_of(first)


@pytest.mark.parametrize(("method", "reused"), [("dense", 11), ("fine", 11), ("coarse", 0)])
def test_asking_again_returns_to_where_the_texts_part(method, reused, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile(method, window=5)
    request = GenerationRequest(prompt(12), max_new_tokens=11)
    first, again = list(engine.generate(request)), list(engine.generate(request))
    assert ids_of(first) == ids_of(again)
    assert again[0].reused_tokens == reused


def test_a_sparse_answer_leaves_no_sparse_cache_behind(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", keep=0.2, enabled=False)
    answer = ids_of(list(engine.generate(GenerationRequest(prompt(12), max_new_tokens=11))))
    engine.profile = profile("coarse", accept="exact", window=4)
    request = GenerationRequest((*prompt(12), *answer, 5), max_new_tokens=20)
    events = list(engine.generate(request))
    assert events[0].reused_tokens == 12
    assert ids_of(events) == ids_of(generate(engine, DENSE, request))


def test_cancelling_keeps_what_was_committed(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile("coarse", window=5, accept="exact")
    request = GenerationRequest(prompt(12), max_new_tokens=40)
    events, seen = engine.generate(request), []
    for event in events:
        seen.append(event)
        if len(ids_of(seen)) > 10:
            break
    events.close()
    longer = GenerationRequest((*request.prompt_ids, *ids_of(seen)), max_new_tokens=10)
    resumed = list(engine.generate(longer))
    assert resumed[0].reused_tokens == len(longer.prompt_ids) - 1
    whole = ids_of(generate(engine, DENSE, GenerationRequest(prompt(12), max_new_tokens=len(ids_of(seen)) + 10)))
    assert ids_of(seen) + ids_of(resumed) == whole


def test_a_twin_shares_weights_and_keeps_its_own_text(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    twin = engine.twin(profile("coarse", accept="exact", window=4))
    request = GenerationRequest(prompt(), max_new_tokens=12)
    assert ids_of(list(engine.generate(request))) == ids_of(list(twin.generate(request)))
    assert engine._text is not twin._text
    assert engine.model is twin.model


def test_timing_a_dense_step_changes_no_text(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    assert engine.dense_step_ms() is None
    engine.profile = profile("coarse", window=4, accept="exact")
    first = prompt(12)
    answer = ids_of(list(engine.generate(GenerationRequest(first, max_new_tokens=11))))
    assert engine.dense_step_ms() > 0
    second = GenerationRequest((*first, *answer, 7), max_new_tokens=15)
    resumed = list(engine.generate(second))
    assert resumed[0].reused_tokens == 22
    assert ids_of(resumed) == ids_of(generate(engine, DENSE, second))
