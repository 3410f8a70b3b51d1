"""What a terminal may be sent: which attributes it understands, and text without control characters."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from sirius_cli.core.safe_text import neutralise, one_line

__all__ = ["Abilities", "abilities", "is_terminal", "neutralise", "one_line"]

_NO_ANSI = ("", "dumb", "unknown")


@dataclass(frozen=True, slots=True)
class Abilities:
    """``ansi`` allows attributes such as underline, ``colour`` colours as well."""

    ansi: bool
    colour: bool


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is open and a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def abilities(stream: TextIO | None, env: Mapping[str, str] = os.environ, *, colour: bool = True) -> Abilities:
    """What ``stream`` may be sent. ``NO_COLOR`` takes colours away, ``TERM=dumb`` every attribute."""
    ansi = is_terminal(stream) and env.get("TERM", "") not in _NO_ANSI
    return Abilities(ansi, ansi and colour and not env.get("NO_COLOR"))
