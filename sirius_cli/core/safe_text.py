"""Text of unknown origin, made fit to be shown: control characters become visible, columns are counted."""

import re
import unicodedata

# C0 without tab and newline, DEL, C1, and the bidirectional overrides that can reorder a line.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def neutralise(text: str) -> str:
    """Replace control characters by visible stand-ins. Newline and tab stay.

    >>> neutralise("a\\x1b[2Jb")
    'a␛[2Jb'
    """
    return _CONTROL.sub(_stand_in, text)


def one_line(text: str) -> str:
    """``text`` neutralised and on a single line."""
    return neutralise(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def width(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
