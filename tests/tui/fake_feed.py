"""A feed whose items are put in by the test: no process, no thread, no clock."""

from collections.abc import Iterable, Iterator, Sequence

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    FinishReason,
    Loaded,
    Origin,
    Prefilled,
    StepEvent,
)
from sirius_cli.services.feed import FeedItem, Happened, Question, Ready

LOADED = Loaded("tiny-fake", "cpu", "float32", 1_000_000, 0.5, {"mlp": "reference"})
READY = Ready(LOADED, 2048, 300_000_000)


class FakeFeed:
    """Remembers what was asked of it. ``put`` makes something happen at the next drain."""

    def __init__(self, *items: FeedItem) -> None:
        self.items: list[FeedItem] = list(items)
        self.questions: list[Question] = []
        self.started = 0
        self.cancelled = 0
        self.closed = False

    def put(self, *items: FeedItem) -> None:
        self.items += items

    def events(self, question: int, events: Iterable[StepEvent]) -> None:
        self.put(*(Happened(question, event) for event in events))

    def start(self) -> None:
        self.started += 1

    def ask(self, question: Question) -> int:
        self.questions.append(question)
        return len(self.questions)

    def cancel(self) -> None:
        self.cancelled += 1

    def drain(self) -> Sequence[FeedItem]:
        items, self.items = self.items, []
        return items

    def close(self) -> None:
        self.closed = True


def prefill(first: str = "The", prompt_tokens: int = 12) -> Iterator[StepEvent]:
    """The start of an answer."""
    yield Prefilled(0, 0.2, prompt_tokens, 0, 0.2)
    yield Committed(0, 0.25, 0, (CommittedToken(1, first, "prefill", 0.9),))


def drafting(window: int, words: Sequence[str], at: float) -> Iterator[StepEvent]:
    """The draft's tokens, one event each."""
    for number, word in enumerate(words):
        yield Drafted(0, at + 0.01 * number, window, (_id(word),), (word,), (0.8,), 0.5, 0.5, 0.01)


def check(window: int, drafts: Sequence[str], accepted: int, last: str, at: float) -> Iterator[StepEvent]:
    """The check keeps ``accepted`` of ``drafts``. ``last`` is a bonus if that is all of them, else a correction."""
    activity = tuple(0.2 + 0.6 * ((7 * layer + window) % 10) / 10 for layer in range(12))
    yield Checked(0, at, window, len(drafts), accepted, False, 0.02, activity)
    kept = [CommittedToken(_id(word), word, "draft", 0.7) for word in drafts[:accepted]]
    yield Committed(0, at, window, (*kept, _last(drafts, accepted, last)))


def window(number: int, drafts: Sequence[str], accepted: int, last: str, at: float) -> Iterator[StepEvent]:
    """A whole window."""
    yield from drafting(number, drafts, at)
    yield from check(number, drafts, accepted, last, at + 0.01 * len(drafts) + 0.02)


def finish(at: float, reason: FinishReason = "stop", tail: str = "") -> StepEvent:
    return Finished(0, at, reason, tail)


def dense(words: Sequence[str]) -> Iterator[StepEvent]:
    """An answer without a draft."""
    yield from prefill(words[0])
    for number, word in enumerate(words[1:], start=1):
        at = 0.25 + 0.03 * number
        yield Checked(0, at, number, 0, 0, False, 0.03)
        yield Committed(0, at, number, (CommittedToken(_id(word), word, "dense", 0.9),))
    yield finish(0.25 + 0.03 * len(words))


def sparse(words: Sequence[str]) -> Iterator[StepEvent]:
    """An answer of the draft alone."""
    yield from prefill(words[0])
    for number, word in enumerate(words[1:], start=1):
        at = 0.25 + 0.02 * number
        yield from drafting(number, [word], at)
        yield Committed(0, at, number, (CommittedToken(_id(word), word, "draft", 0.8),))
    yield finish(0.25 + 0.02 * len(words))


def _last(drafts: Sequence[str], accepted: int, last: str) -> CommittedToken:
    if accepted == len(drafts):
        origin: Origin = "bonus"
        return CommittedToken(_id(last), last, origin, 0.6)
    wanted = drafts[accepted]
    return CommittedToken(_id(last), last, "correction", 0.81, _id(wanted), wanted, 0.04, 1.27)


def _id(word: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(word)) % 50_000
