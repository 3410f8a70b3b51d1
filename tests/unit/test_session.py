"""A conversation: what it asks the engine, what it remembers, how it ends early."""

from collections.abc import Callable, Generator

import pytest

from sirius_cli.core.events import Committed, CommittedToken, Failed, Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.errors import ModelError, SiriusError, UsageError
from sirius_cli.services.answer import collect
from sirius_cli.services.session import AnswerSpec, ModelChoice, Session


class Letters:
    """Every character is a token."""

    def __init__(self, *, template: bool = True) -> None:
        self.has_chat_template = template

    def encode(self, text: str, *, special: bool) -> list[int]:
        return [0] * special + [ord(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))

    def chat(self, messages: list[dict[str, str]]) -> list[int]:
        return self.encode("".join(f"{m['role'][0]}:{m['content']};" for m in messages), special=False)


class Parrot:
    """Answers with the events it was given."""

    context = 100

    def __init__(self, events: list[StepEvent], *, template: bool = True) -> None:
        self.profile = Profile()
        self.tokens = Letters(template=template)
        self.loaded = Loaded("parrot", "cpu", "float32", 1, 0.0, {})
        self.events = events
        self.prompts: list[str] = []
        self.closed = False

    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool]) -> Generator[StepEvent, None, None]:
        self.prompts.append(self.tokens.decode(list(request.prompt_ids)))
        try:
            yield from self.events
        except GeneratorExit:
            self.closed = True
            raise


def committed(text: str) -> Committed:
    return Committed(0, 0.2, 0, (CommittedToken(1, text, "prefill", 1.0),))


HI: list[StepEvent] = [Prefilled(0, 0.1, 3, 0, 0.1), committed("h"), committed(""), Finished(0, 0.3, "stop", "i")]


def test_turns_are_sent_again_with_the_released_text() -> None:
    engine = Parrot(HI)
    session = Session(engine, AnswerSpec(system="S"))
    for prompt in ("a", "b"):
        assert list(session.ask(prompt)) == HI
    assert engine.prompts == ["s:S;u:a;", "s:S;u:a;a:hi;u:b;"]


def test_raw_turns_are_one_text() -> None:
    engine = Parrot(HI, template=False)
    session = Session(engine, AnswerSpec(raw=True))
    for prompt in ("a", "b"):
        list(session.ask(prompt))
    assert engine.prompts == ["\0a", "\0ahib"]


def test_take_back_and_clear() -> None:
    session = Session(Parrot(HI), AnswerSpec())
    assert session.take_back() is None
    list(session.ask("a"))
    list(session.ask("b"))
    assert session.take_back() == "b"
    assert [turn["content"] for turn in session.turns] == ["a", "hi"]
    session.clear()
    assert session.turns == []


def test_cancelling_closes_the_engine_and_ends_like_an_answer() -> None:
    engine = Parrot(HI)
    session = Session(engine, AnswerSpec())
    seen: list[StepEvent] = []
    seen.extend(session.ask("a", lambda: len(seen) > 1))
    events = list(Session(engine, AnswerSpec()).ask("a", lambda: True))
    assert events == [HI[0], Finished(0, 0.1, "cancelled", "")]
    assert engine.closed


def test_a_cancelled_answer_is_remembered_as_far_as_it_went() -> None:
    session = Session(Parrot(HI), AnswerSpec())
    asked = iter([False, True])
    list(session.ask("a", lambda: next(asked)))
    assert [turn["content"] for turn in session.turns] == ["a", "h"]


def test_an_answer_that_is_already_finished_cannot_be_cancelled() -> None:
    asked = iter([False, False, False, True])
    assert list(Session(Parrot(HI), AnswerSpec()).ask("a", lambda: next(asked))) == HI


def test_an_engine_that_gives_up_raises_and_leaves_the_conversation() -> None:
    session = Session(Parrot([HI[0], Failed(0, 0.2, "the cache is torn", "try again")]), AnswerSpec())
    with pytest.raises(SiriusError, match="the cache is torn; try again"):
        list(session.ask("a"))
    assert session.turns == []


def test_a_model_needs_a_chat_template_or_raw() -> None:
    with pytest.raises(ModelError, match="no chat template; add --raw"):
        Session(Parrot(HI, template=False), AnswerSpec())


@pytest.mark.parametrize("prompt", ["", " \n", "a\udcff"])
def test_prompts_that_cannot_be_answered(prompt: str) -> None:
    with pytest.raises(UsageError):
        list(Session(Parrot(HI), AnswerSpec()).ask(prompt))


def test_the_spec_reaches_the_engine() -> None:
    spec = AnswerSpec(5, SamplingSpec(0.5, 0.9, 3, 7), ("END",))
    seen: list[GenerationRequest] = []

    class Witness(Parrot):
        def generate(
            self, request: GenerationRequest, cancelled: Callable[[], bool]
        ) -> Generator[StepEvent, None, None]:
            seen.append(request)
            return super().generate(request, cancelled)

    list(Session(Witness(HI), spec).ask("a"))
    assert seen == [GenerationRequest((117, 58, 97, 59), 5, spec.sampling, ("END",))]


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(device: str) -> None:
    assert ModelChoice("m", device).device == device


@pytest.mark.parametrize("device", ["", "CPU", "cuda:", "cuda:x", "cpu\n", "mps"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(UsageError, match="device cannot be"):
        ModelChoice("m", device)


def test_an_answer_is_a_fold_over_its_events() -> None:
    answer = collect(HI)
    assert (answer.text, answer.prompt_tokens, answer.finish_reason) == ("hi", 3, "stop")
    assert [token.text for token in answer.tokens] == ["h", ""]
    assert answer.metrics.committed_tokens == 2
