"""What the dashboard knows: a fold over feed items, and over what the user did. No widget and no clock in here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sirius_cli.core.profile import Profile
from sirius_cli.services.feed import FeedItem, Gone, Happened, Loading, Measured, Message, Problem, Ready, Working
from sirius_cli.tui.answer import About, AnswerFold, AnswerPhase, Trouble
from sirius_cli.tui.panel import Panel

Phase = Literal["starting", "working", "loading", "idle", "gone"] | AnswerPhase
_STARTING, _WORKING, _LOADING, _READY, _GONE = "starting", "working", "loading", "ready", "gone"


@dataclass(slots=True, eq=False)
class Exchange:
    """A prompt and its answer. A replayed trace knows no prompt: it is None then.

    ``differing`` are places in the answer to mark, because another answer has other tokens there.
    """

    prompt: str | None
    answer: AnswerFold
    mode: str = ""
    differing: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Note:
    """Something that the dashboard tells, in the conversation's place and time."""

    lines: tuple[str, ...]
    warning: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """An exchange of an earlier session: only its text is left."""

    prompt: str
    answer: str


Entry = Exchange | Note | Remembered


@dataclass(slots=True)
class ChatState:
    """``entries`` are the conversation as shown; ``revision`` grows when one goes, not when one is added or grows.

    ``adopts`` makes an exchange of answers that nobody here asked for: those of a replayed trace, whose profile is
    ``profile``.
    """

    adopts: bool = False
    profile: Profile | None = None
    entries: list[Entry] = field(default_factory=list)
    revision: int = 0
    working: Working | None = None
    ready: Ready | None = None
    trouble: Trouble | None = None
    current: AnswerFold | None = None
    _engine: str = _STARTING
    _model: str = ""
    _answers: dict[int, AnswerFold] = field(default_factory=dict)
    _dense_step_ms: float | None = None
    _memory: int | None = None

    @property
    def about(self) -> About:
        """The model, as the panel tells it. A recording gives 0 for what it does not know."""
        context = self.ready.context if self.ready else 0
        return About(self._model, context or None, self._memory or None, self._dense_step_ms)

    @property
    def panel(self) -> Panel:
        """Of the answer in the making, or the last one."""
        return (self.current or AnswerFold(self.profile)).panel(self.about)

    @property
    def accepts_questions(self) -> bool:
        """Whether the model is in memory."""
        return self._engine == _READY

    @property
    def answering(self) -> bool:
        """Whether events of an answer are still to come."""
        return any(not answer.ended for answer in self._answers.values())

    @property
    def phase(self) -> Phase:
        """What goes on, in one word."""
        match self._engine:
            case "starting" | "working" | "loading" | "gone":
                return self._engine
        if self.working is not None:
            return "working"
        return self.current.phase if self.current else "idle"

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation so far as the model is to see it. Answers that failed are left out, with their prompts."""
        return tuple(self._messages())

    @property
    def last(self) -> Exchange | None:
        """The newest exchange of this session."""
        return next((entry for entry in reversed(self.entries) if isinstance(entry, Exchange)), None)

    def add(self, item: FeedItem) -> None:
        """Take the next item of the feed."""
        match item:
            case Working():
                self.working = item
                if not self.accepts_questions:  # one that does prepares a copy of its weights for another draft
                    self._engine = _WORKING
            case Loading():
                self._engine, self._model, self.working = _LOADING, item.model, None
            case Ready():
                self._start(item)
            case Happened():
                self._happened(item)
            case Measured():
                self._dense_step_ms = item.dense_step_ms or self._dense_step_ms
                self._memory = item.memory
            case Problem():
                self._problem(item)
            case Gone():
                self._gone(Trouble(item.reason))

    def restarting(self) -> None:
        """A new engine was asked for."""
        self._engine, self.trouble = _STARTING, None

    def asked(self, question: int, exchange: Exchange) -> None:
        """``question`` will bring the answer of ``exchange``, which ends the conversation."""
        if exchange not in self.entries:
            self.entries.append(exchange)
        self.expect(question, exchange.answer)
        exchange.answer.begin()
        self.current = exchange.answer

    def expect(self, question: int, answer: AnswerFold) -> None:
        """``answer`` will take the events of ``question``, outside of the conversation."""
        self._answers = {number: one for number, one in self._answers.items() if not one.ended}
        self._answers[question] = answer

    def note(self, *lines: str, warning: bool = False) -> None:
        """Tell the user something."""
        self.entries.append(Note(lines, warning))

    def take_back(self) -> Exchange | None:
        """Remove the last exchange, with all that came after it. None if there is none."""
        last = self.last
        if last is not None:
            del self.entries[self.entries.index(last) :]
            self.revision += 1
            self.current = None
        return last

    def clear(self) -> None:
        """Forget the conversation."""
        self.entries.clear()
        self.revision += 1
        self.current = None

    def _messages(self) -> Iterator[Message]:
        for entry in self.entries:
            match entry:
                case Remembered():
                    yield from _turns(entry.prompt, entry.answer)
                case Exchange() if entry.prompt is not None and entry.answer.phase in ("finished", "cancelled"):
                    yield from _turns(entry.prompt, entry.answer.text)

    def _start(self, item: Ready) -> None:
        self._engine, self.working, self.ready, self.trouble = _READY, None, item, None
        self._model, self._memory = item.loaded.model, item.memory

    def _happened(self, item: Happened) -> None:
        answer, self.working = self._answers.get(item.question), None
        if answer is None and self.adopts:
            answer = self._adopt(item.question)
        if answer is not None:
            answer.add(item.event)

    def _adopt(self, question: int) -> AnswerFold:
        exchange = Exchange(None, AnswerFold(self.profile))
        self._engine = _READY
        self.asked(question, exchange)
        return exchange.answer

    def _problem(self, item: Problem) -> None:
        trouble = Trouble(item.message, item.hint)
        answer = self.current if self.adopts else self._answers.get(-1 if item.question is None else item.question)
        if answer is not None and not answer.ended:
            answer.fail(trouble)
        elif item.question is None and not self.adopts:
            self._gone(trouble)
        else:
            self.note(trouble.message, *filter(None, [trouble.hint]), warning=True)

    def _gone(self, trouble: Trouble) -> None:
        self._engine, self.trouble, self.working = _GONE, trouble, None
        for answer in self._answers.values():
            if not answer.ended:
                answer.fail(trouble)


def _turns(prompt: str, answer: str) -> Iterator[Message]:
    yield Message("user", prompt)
    yield Message("assistant", answer)
