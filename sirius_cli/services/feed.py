"""What a live front end sees: answers in the making, from an engine in its own process or from a recording.

A front end asks, and drains what has happened since it last looked, when it wants to; the other side never waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sirius_cli.core.events import Loaded, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.services.session import AnswerSpec


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; ``role`` is "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be answered: a whole conversation that ends with the user's turn.

    Each ``lane`` keeps a KV cache of its own, so that answers of several profiles side by side do not push each other
    out. A conversation that goes on in its lane is not read again from the start.
    """

    lane: str
    messages: tuple[Message, ...]
    profile: Profile
    spec: AnswerSpec


@dataclass(frozen=True, slots=True)
class Working:
    """A model is fetched or converted: the sentence to show, bytes ``done`` of ``total`` (None: not known)."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Loading:
    """The weights of ``model`` are on their way into memory."""

    model: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Questions will be answered. ``context`` is the longest text in tokens, ``memory`` the process's in bytes."""

    loaded: Loaded
    context: int
    memory: int


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the answer to question number ``question``."""

    question: int
    event: StepEvent


@dataclass(frozen=True, slots=True)
class Measured:
    """After an answer: the time of one dense step, if it could be measured, and the process's memory in bytes."""

    question: int
    dense_step_ms: float | None
    memory: int


@dataclass(frozen=True, slots=True)
class Problem:
    """``question`` will get no further events; None: the engine could not start. Both texts are one line."""

    question: int | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The engine's process has ended unasked. ``restart`` brings another."""

    reason: str


FeedItem = Working | Loading | Ready | Happened | Measured | Problem | Gone


class Feed(Protocol):
    """Methods return at once; only ``close`` waits, for less than a second."""

    def start(self) -> None:
        """Begin to load the model, or again after :class:`Gone` or a :class:`Problem` without question."""

    def ask(self, question: Question) -> int:
        """Queue a question; its number marks what comes of it. Questions are answered one after another."""

    def cancel(self) -> None:
        """End the answer in the making, if there is one, with ``Finished`` of reason ``cancelled``.

        While the model is fetched or loaded, that ends, with :class:`Gone`.
        """

    def drain(self) -> Sequence[FeedItem]:
        """All that has happened since the last call, in order."""

    def close(self) -> None:
        """End the process, whatever it does."""
