"""Tables as lines of text for a terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from sirius_cli.core.columns import aligned
from sirius_cli.core.safe_text import one_line, width
from sirius_cli.services.reports.table import Table, shown

_WIDTH = 100  # of a line of prose


def about_lines(about: Iterable[tuple[str, str]]) -> list[str]:
    """Each name with its value."""
    facts = [(one_line(name), one_line(value)) for name, value in about]
    wide = max([8, *(width(name) for name, _ in facts)]) + 2
    return [name + " " * (wide - width(name)) + value for name, value in facts]


def table_lines(table: Table) -> list[str]:
    """The title, then the rows below their labels."""
    rows = [[shown(v, c.kind) for v, c in zip(row, table.columns, strict=True)] for row in table.rows]
    labels = [column.label.upper() for column in table.columns]
    return [one_line(table.title), *(aligned(labels, rows) if rows else ["none"])]


def wrapped(notes: Iterable[str]) -> list[str]:
    """Paragraphs of ours in lines that fit."""
    return [line for note in notes for line in textwrap.wrap(note, _WIDTH)]


def joined(parts: Sequence[Sequence[str]]) -> str:
    """The lines of all ``parts``, an empty one between two of them."""
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
