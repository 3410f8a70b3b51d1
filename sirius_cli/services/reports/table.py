"""A table of facts: what every written form of a report shows."""

import re
from dataclasses import dataclass
from typing import Literal

from sirius_cli.core.safe_text import neutralise, one_line

Kind = Literal["text", "token", "composed", "count", "ratio", "percent", "tenths", "hundredths", "figure"]
"""What a column holds. ``composed`` are texts that we have put together of numbers alone."""
Value = str | float | None
UNKNOWN = "-"
EMPTY = "∅"  # stands for a token whose text is empty, such as an end of sequence
_EDGE = re.compile(r"\A +| +\Z")
_FORMATS = {"count": "", "ratio": ".3f", "percent": ".1%", "tenths": ".1f", "hundredths": ".2f"}


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` is for programs, ``label`` for readers."""

    name: str
    label: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` hold one value for each column."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]


def shown(value: Value, kind: Kind) -> str:
    """``value`` for a reader, on one line and without control characters."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return visible(value) if kind == "token" else one_line(value)
    return format(value, _FORMATS.get(kind, ".4g"))


def visible(token: str) -> str:
    """A token on one line, with the white space at its ends made visible."""
    text = _EDGE.sub(lambda spaces: "␣" * len(spaces.group()), token)
    return neutralise(text.replace("\n", "⏎").replace("\t", "⇥")) or EMPTY
