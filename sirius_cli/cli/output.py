"""The only writer to standard output: data, nothing else. Every write is flushed."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from sirius_cli.cli import terminal
from sirius_cli.core.safe_text import width


class PipeClosedError(Exception):
    """The reader of our output has gone. The program ends quietly."""


def write_text(text: str, *, style: str = "") -> None:
    """Write ``text`` as it is, or without control characters if standard output is a terminal.

    ``style`` is a list of SGR parameters such as ``"4;33"``; the caller asks ``terminal.abilities`` what is allowed.
    """
    if terminal.is_terminal(sys.stdout):
        text = terminal.neutralise(text)
    emit(sys.stdout, f"\x1b[{style}m{text}\x1b[0m" if style else text)


def write_line(text: str) -> None:
    """Write ``text`` and a newline."""
    write_text(text + "\n")


def write_json(value: Any) -> None:
    """Write ``value`` as one indented JSON document."""
    write_line(as_json(value, indent=2))


def write_json_line(value: Any) -> None:
    """Write ``value`` as JSON on one line."""
    write_line(as_json(value, indent=None))


def write_table(columns: list[str], rows: list[list[str]]) -> None:
    """Write a header and rows in aligned columns, two spaces apart."""
    for line in table_lines(columns, rows):
        write_line(line)


def table_lines(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A header and rows as lines of aligned columns, two spaces apart."""
    cells = [[terminal.one_line(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def emit(stream: TextIO | None, text: str) -> None:
    """Write and flush. A closed descriptor (``>&-``) takes nothing.

    Raises:
        PipeClosedError: if nobody reads any more.
    """
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError as error:
        raise PipeClosedError from error


def as_json(value: Any, *, indent: int | None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    # json leaves DEL, C1 and lone surrogates alone: escaped they are the same data, safe to show and to encode.
    return re.sub("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", lambda m: f"\\u{ord(m.group()):04x}", text)
