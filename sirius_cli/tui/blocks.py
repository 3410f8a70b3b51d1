"""The conversation as blocks of wrapped lines. A block follows its answer and redoes only the end of it."""

from collections.abc import Iterator
from typing import Protocol

from sirius_cli.core.safe_text import neutralise, one_line
from sirius_cli.tui.answer import AnswerFold, Said
from sirius_cli.tui.flow import NO_TOKEN, Flow, Line, Run
from sirius_cli.tui.markdown import markdown_lines
from sirius_cli.tui.state import Entry, Exchange, Note, Remembered

_INDENT = Run("  ")
_PROMPT_MARK = Run("▸ ", "mark")
_NOTE_MARK = Run("· ", "note")
_KINDS = {"correction": "corrected", "bonus": "bonus", "lookup": "lookup"}
_REASONS = {"length": "stopped at the longest answer allowed", "context": "the context is full"}


class Block(Protocol):
    """Lines of one entry. ``entry`` is what they show."""

    entry: Entry
    lines: list[Line]

    def sync(self) -> int | None:
        """Catch up with the entry. Returns the first line that may have changed, None if none did."""


def block_for(entry: Entry, width: int, *, markdown: bool) -> Block:
    """The block that shows ``entry`` in lines of ``width`` cells."""
    match entry:
        case Exchange():
            return ExchangeBlock(entry, width, markdown=markdown)
        case Remembered():
            return FixedBlock(entry, [*prompt_lines(entry.prompt, width), *_remembered(entry, width, markdown)])
        case Note():
            return FixedBlock(entry, _note(entry, width))


class FixedBlock:
    """Lines that never change."""

    def __init__(self, entry: Entry, lines: list[Line]) -> None:
        self.entry = entry
        self.lines = [*lines, ()]

    def sync(self) -> int | None:
        return None


class ExchangeBlock:
    """A prompt and its answer, which may still grow."""

    def __init__(self, exchange: Exchange, width: int, *, markdown: bool) -> None:
        self.entry: Entry = exchange
        self._answer = exchange.answer
        self._width = width
        self._markdown = markdown
        self._version = -1
        head = [] if exchange.prompt is None else prompt_lines(exchange.prompt, width)
        self.lines: list[Line] = head
        self._text = AnswerText(exchange, width)
        self._settled = len(head)

    def sync(self) -> int | None:
        if self._version == self._answer.version:
            return None
        self._version = self._answer.version
        first = self._settled
        del self.lines[first:]
        if self._markdown and self._answer.ended:
            self.lines += markdown_lines(neutralise(self._answer.text), self._width)
        else:
            fixed, loose = self._text.sync()
            self.lines += fixed
            self._settled = len(self.lines)
            self.lines += loose
        self.lines += [*_ending(self._answer, self._width), ()]
        return first


class AnswerText:
    """The lines of one answer: what is committed, then the draft's tail."""

    def __init__(self, exchange: Exchange, width: int) -> None:
        self._answer = exchange.answer
        self._differing = exchange.differing
        self._flow = Flow(width, _INDENT, _INDENT)
        self._taken = 0
        self._told = 0
        self._closed = False

    def sync(self) -> tuple[list[Line], list[Line]]:
        """The lines that were completed since the last call, and those after them, which may change."""
        for index in range(self._taken, len(self._answer.said)):
            self._say(index, self._answer.said[index])
        self._taken = len(self._answer.said)
        if self._answer.ended and not self._closed:
            self._flow.write(neutralise(self._answer.closing))
            self._closed = True
        fresh = self._flow.lines[self._told :]
        self._told = len(self._flow.lines)
        return fresh, self._flow.preview(_tail(self._answer))

    def _say(self, index: int, said: Said) -> None:
        origin = said.token.origin
        place = index if origin == "correction" else NO_TOKEN
        kinds = (_KINDS.get(origin, ""), "differing" if index in self._differing else "")
        self._flow.write(neutralise(said.token.text), " ".join(filter(None, kinds)), place)


def prompt_lines(prompt: str, width: int) -> list[Line]:
    """The user's turn, and a blank line."""
    flow = Flow(width, _PROMPT_MARK, _INDENT)
    flow.write(neutralise(prompt), "prompt")
    return [*flow.finish(), ()]


def _tail(answer: AnswerFold) -> Iterator[Run]:
    if not answer.said and not answer.ended and not answer.drafted:
        yield Run("…", "drafted")
    for text in answer.drafted:
        yield Run(neutralise(text), "drafted")


def _ending(answer: AnswerFold, width: int) -> list[Line]:
    """Why an answer ended, where that is worth a line."""
    if answer.trouble is not None:
        text, kind = ". ".join(filter(None, (answer.trouble.message, answer.trouble.hint))), "warning"
    elif answer.phase == "cancelled":
        text, kind = "stopped", "note"
    elif answer.reason in _REASONS:
        text, kind = _REASONS[answer.reason], "note"
    else:
        return []
    flow = Flow(width, Run("  ✗ " if kind == "warning" else "  ■ ", kind), Run("    "))
    flow.write(one_line(text), kind)
    return flow.finish()


def _remembered(entry: Remembered, width: int, markdown: bool) -> list[Line]:
    if markdown:
        return markdown_lines(neutralise(entry.answer), width)
    flow = Flow(width, _INDENT, _INDENT)
    flow.write(neutralise(entry.answer))
    return flow.finish()


def _note(entry: Note, width: int) -> list[Line]:
    kind = "warning" if entry.warning else "note"
    lines: list[Line] = []
    for number, text in enumerate(entry.lines):
        flow = Flow(width, Run(_NOTE_MARK.text if number == 0 else "  ", kind), _INDENT)
        flow.write(neutralise(text), kind)
        lines += flow.finish()
    return lines
