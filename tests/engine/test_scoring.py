"""Scores of given texts, against transformers' logits and against what a draft writes."""

import pytest
import torch
from engines import DENSE, ids_of, make_engine, profile

from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import UsageError

CONTEXT = (3, 17, 40, 8, 22, 5, 61)
PREFIX = CONTEXT[:4]


def reference(model, context, continuation):
    with torch.inference_mode():
        logits = model(torch.tensor([[*context, *continuation]])).logits[0].double()
    places = logits[len(context) - 1 : -1].log_softmax(-1)
    wanted = torch.tensor(continuation)
    return float(places.gather(1, wanted[:, None]).sum()), bool((places.argmax(-1) == wanted).all())


@pytest.mark.parametrize("prefix", [(), PREFIX])
@pytest.mark.parametrize("checked", [DENSE, profile("coarse", window=4), profile("fine", window=4)])
def test_scores_are_those_of_transformers(checked, prefix, tiny_model):
    folder, model = tiny_model("llama")
    engine = make_engine(folder)
    engine.profile = checked
    continuations = [(9,), (30, 31, 32, 12), (7, 7)]
    scores = engine.score(CONTEXT, continuations, prefix=prefix)
    for score, continuation in zip(scores, continuations, strict=True):
        logprob, greedy = reference(model, CONTEXT, continuation)
        assert score.logprob == pytest.approx(logprob, abs=1e-3)
        assert score.greedy == greedy


@pytest.mark.parametrize("method", ["coarse", "fine"])
def test_what_a_draft_would_write_is_its_likeliest_text(method, tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    engine.profile = profile(method, keep=0.25, enabled=False)
    written = ids_of(engine.generate(GenerationRequest(CONTEXT, max_new_tokens=12)))
    (score,) = engine.score(CONTEXT, [written])
    assert score.greedy
    engine.profile = DENSE
    (dense,) = engine.score(CONTEXT, [written])
    assert dense.logprob != pytest.approx(score.logprob, abs=1e-3)


def test_what_does_not_fit_the_context_is_refused(tiny_model):
    engine = make_engine(tiny_model("llama")[0])
    room = engine.context - len(CONTEXT)
    assert len(engine.score(CONTEXT, [(9,) * room])) == 1
    with pytest.raises(UsageError, match=f"{len(CONTEXT)} \\+ {room + 1} tokens do not fit the context"):
        engine.score(CONTEXT, [(9,), (9,) * (room + 1)])


def test_nothing_to_score_costs_nothing(tiny_model):
    (score,) = make_engine(tiny_model("llama")[0]).score(CONTEXT, [()])
    assert (score.logprob, score.greedy) == (0.0, True)
