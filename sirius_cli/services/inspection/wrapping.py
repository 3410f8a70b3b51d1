"""An answer as lines of a given width, every piece of which knows its token."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sirius_cli.core.safe_text import neutralise, width
from sirius_cli.services.inspection.facts import Request
from sirius_cli.services.reports.table import EMPTY

_CHUNK = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a line. ``token`` is an index into the request's tokens; the tail's is one past the last."""

    text: str
    token: int


Line = tuple[Piece, ...]


def shown_texts(request: Request) -> list[str]:
    """What to show for each token, and for the tail: control characters visible, newlines kept.

    A correction always shows something: its newlines have a sign, and without text it has ``EMPTY``.
    """
    texts = [_signed(token.text) if token.correction else token.text for token in request.tokens]
    return [neutralise(text) for text in [*texts, request.tail]]


def _signed(text: str) -> str:
    return text.replace("\n", "⏎\n") or EMPTY


def without_blanks(text: str) -> tuple[str, str]:
    """The blanks before a token, and what of it is to be marked: all, if there is nothing but blanks."""
    core = text.lstrip(" ")
    return (text[: len(text) - len(core)], core) if core else ("", text)


def wrap(request: Request, columns: int) -> list[Line]:
    """The answer, broken between words where they fit into ``columns`` (1 or more); spaces may hang over the end."""
    texts = [text.replace("\t", "    ") for text in shown_texts(request)]
    starts = [0, *accumulate(map(len, texts))]
    return [tuple(_pieces(line, at, starts)) for line, at in _lines("".join(texts), columns)]


def _lines(text: str, columns: int) -> Iterator[tuple[str, int]]:
    """Lines with the offset of each."""
    offset = 0
    for paragraph in text.split("\n"):
        at = offset
        for line in _broken(paragraph, columns):
            yield line, at
            at += len(line)
        offset += len(paragraph) + 1


def _broken(paragraph: str, columns: int) -> Iterator[str]:
    line = ""
    for chunk in _CHUNK.findall(paragraph):
        if width(line) + width(chunk.rstrip()) > columns:
            if line:
                yield line
            *whole, line = _cut(chunk, columns)
            yield from whole
        else:
            line += chunk
    yield line


def _cut(text: str, columns: int) -> list[str]:
    """``text`` in parts of at most ``columns``; a character that is wider than that has a part of its own."""
    parts, part, used = [], "", 0
    for character in text:
        if part and used + width(character) > columns:
            parts.append(part)
            part, used = "", 0
        part, used = part + character, used + width(character)
    return [*parts, part]


def _pieces(line: str, at: int, starts: Sequence[int]) -> Iterator[Piece]:
    """Cut ``line``, which begins at offset ``at``, where tokens begin."""
    end, offset = at + len(line), at
    while offset < end:
        token = bisect_right(starts, offset) - 1
        until = min(end, starts[token + 1])
        yield Piece(line[offset - at : until - at], token)
        offset = until
