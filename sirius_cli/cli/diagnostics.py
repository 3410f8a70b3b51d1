"""The only writer to standard error: notes, errors, progress. Text is always neutralised."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from sirius_cli.cli import output, terminal

if TYPE_CHECKING:
    from rich.console import Console


def note(text: str) -> None:
    """Write ``text`` and a newline."""
    output.emit(sys.stderr, terminal.neutralise(text) + "\n")


def error(problem: Exception | str) -> None:
    """Write ``error: ...`` on exactly one line."""
    output.emit(sys.stderr, f"error: {terminal.one_line(str(problem))}\n")


@cache
def console() -> "Console":
    """A Rich console on standard error, for progress bars and spinners."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def status(text: str, *, plain: bool = False) -> Iterator[None]:
    """Show a spinner with ``text`` while the block runs, if standard error is a terminal that can."""
    if plain or not terminal.abilities(sys.stderr).ansi:
        yield
        return
    from rich.text import Text

    with console().status(Text(terminal.one_line(text))):
        yield
