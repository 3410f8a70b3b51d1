"""What a terminal may be sent: which attributes it understands, and text without control characters."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

# C0 without tab and newline, DEL, C1, and the bidirectional overrides that can reorder a line.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
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


def neutralise(text: str) -> str:
    """Replace control characters by visible stand-ins. Newline and tab stay.

    >>> neutralise("a\\x1b[2Jb")
    'a␛[2Jb'
    """
    return _CONTROL.sub(_stand_in, text)


def one_line(text: str) -> str:
    """``text`` neutralised and on a single line."""
    return neutralise(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
