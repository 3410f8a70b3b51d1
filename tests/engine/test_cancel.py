"""Reading a long prompt can be cancelled, and leaves nothing behind."""

from itertools import count

import pytest
from engines import ids_of, make_engine, profile
from tiny_models import VARIANTS, random_tokens

from sirius_cli.core.events import Finished
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine import prefill

PROMPT = tuple(random_tokens(1, 30, seed=1)[0].tolist())
REQUEST = GenerationRequest(PROMPT, max_new_tokens=12)


@pytest.fixture
def engine(tiny_model, monkeypatch):
    monkeypatch.setattr(prefill, "CHUNK", 8)
    made = make_engine(tiny_model(next(iter(VARIANTS)))[0])
    made.profile = profile("coarse", window=4)
    return made


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_a_prompt_that_is_being_read_can_be_cancelled(engine, chunks):
    asked = count()
    (finished,) = engine.generate(REQUEST, lambda: next(asked) >= chunks)
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.tail) == ("cancelled", "")
    assert next(asked) == chunks + 1


def test_the_next_answer_is_as_if_nothing_had_been(engine):
    fresh = ids_of(engine.twin(engine.profile).generate(REQUEST))
    list(engine.generate(GenerationRequest(PROMPT[:20], max_new_tokens=3)))
    asked = count()
    list(engine.generate(REQUEST, lambda: next(asked) >= 1))
    assert ids_of(engine.generate(REQUEST)) == fresh
