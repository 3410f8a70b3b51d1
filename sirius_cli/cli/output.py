"""The only writer to standard output: data, nothing else. Every write is flushed."""

import sys
from typing import Any, TextIO

from sirius_cli.cli import terminal
from sirius_cli.core.columns import aligned
from sirius_cli.core.safe_json import as_json


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
    for line in aligned(columns, rows):
        write_line(line)


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
