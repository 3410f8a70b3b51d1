"""Text that is wrapped while it is written. Lines that are complete never change, so a token costs O(1)."""

import re
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

from rich.cells import cell_len, get_character_cell_size

_LOOSE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uff60\U0001f300-\U0001faff"
"""Characters that stand for themselves: a line may be broken before any of them."""
_PIECE = re.compile(rf"\n|[^\S\n]+|[{_LOOSE}]|[^\s{_LOOSE}]+")
_IS_LOOSE = re.compile(f"[{_LOOSE}]")
_TAB = "    "
_NARROWEST = 4
NO_TOKEN = -1


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one look. ``token`` is a place in the answer, or ``NO_TOKEN``."""

    text: str
    kind: str = ""
    token: int = NO_TOKEN


Line = tuple[Run, ...]


class Flow:
    """Breaks text into lines of at most ``width`` cells, between words where it can.

    ``first`` stands before the first line, ``rest`` before all others; blanks lose their kind, so that no mark is
    drawn under them.
    """

    def __init__(self, width: int, first: Run | None = None, rest: Run | None = None) -> None:
        self.lines: list[Line] = []
        self._prefix = first or Run("")
        self._rest = rest or Run("")
        self._width = max(_NARROWEST, width - cell_len(self._prefix.text))
        self._line: list[Run] = []
        self._line_cells = 0
        self._word: list[Run] = []
        self._word_cells = 0
        self._wrapped = False

    def write(self, text: str, kind: str = "", token: int = NO_TOKEN) -> None:
        """Append ``text``, which has no control characters but newline and tab."""
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self._break(wrapped=False)
            elif piece.isspace():
                self._blank("".join(_TAB if blank == "\t" else " " for blank in piece), token)
            else:
                self._grow(piece, kind, token)

    def preview(self, parts: Iterable[Run]) -> list[Line]:
        """The lines from the unfinished one on, if ``parts`` were written now."""
        ahead = copy(self)
        ahead.lines = []
        ahead._line, ahead._word = list(self._line), list(self._word)
        for part in parts:
            ahead.write(part.text, part.kind, part.token)
        ahead._break(wrapped=False)
        return ahead.lines

    def finish(self) -> list[Line]:
        """All lines, the unfinished one included."""
        return [*self.lines, *self.preview([])]

    def _grow(self, piece: str, kind: str, token: int) -> None:
        if _IS_LOOSE.match(piece):
            self._settle_word()
        self._word.append(Run(piece, kind, token))
        self._word_cells += cell_len(piece)
        if self._line_cells + self._word_cells > self._width:
            if self._line:
                self._end_line(wrapped=True)
            while self._word_cells > self._width:
                self._split_word()

    def _blank(self, piece: str, token: int) -> None:
        self._settle_word()
        if self._wrapped and not self._line:
            return
        fitting = piece[: self._width - self._line_cells]
        if fitting:
            self._line.append(Run(fitting, "", token))
            self._line_cells += len(fitting)
        if len(fitting) < len(piece):
            self._end_line(wrapped=True)

    def _settle_word(self) -> None:
        self._line += self._word
        self._line_cells += self._word_cells
        self._word, self._word_cells = [], 0

    def _break(self, *, wrapped: bool) -> None:
        self._settle_word()
        self._end_line(wrapped=wrapped)

    def _end_line(self, *, wrapped: bool) -> None:
        self.lines.append(tuple(_merged([self._prefix, *self._line])))
        self._prefix = self._rest
        self._line, self._line_cells, self._wrapped = [], 0, wrapped

    def _split_word(self) -> None:
        """Move as much of a word that is too long as fits onto a line of its own."""
        room = self._width
        kept: list[Run] = []
        while self._word and room > 0:
            run = self._word.pop(0)
            head, tail = _cut(run.text, room)
            if head:
                kept.append(Run(head, run.kind, run.token))
            room -= cell_len(head)
            if tail:
                self._word.insert(0, Run(tail, run.kind, run.token))
                break
        self._line = kept
        self._word_cells = sum(cell_len(run.text) for run in self._word)
        self._end_line(wrapped=True)


def _cut(text: str, cells: int) -> tuple[str, str]:
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > cells:
            return text[:index], text[index:]
    return text, ""


def _merged(runs: list[Run]) -> Iterable[Run]:
    """Neighbours of one look as one run."""
    pending: Run | None = None
    for run in runs:
        if pending is not None and (run.kind, run.token) == (pending.kind, pending.token):
            pending = Run(pending.text + run.text, run.kind, run.token)
            continue
        if pending is not None and pending.text:
            yield pending
        pending = run
    if pending is not None and pending.text:
        yield pending
