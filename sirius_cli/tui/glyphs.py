"""The signs that the dashboard draws with, and their stand-ins where a terminal has ASCII alone."""

import os
from collections.abc import Mapping

from rich.segment import Segment
from textual.color import Color as Background
from textual.filter import LineFilter

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"
_STAND_INS = {
    **dict.fromkeys("─━╌┄┈═╴╶╸╺⎯▔▁▂▃", "-"),
    **dict.fromkeys("‖│┃║╎┆┊▏▎▍▌▐▕▊▉", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛", "+"),
    **dict.fromkeys("█▓▆▇▅▄■▀▒", "#"),
    **dict.fromkeys("░", "."),
    **dict.fromkeys("●○◌◍◆◇✦★☆⬤•·", "*"),
    **dict.fromkeys("▸▶›❯→⏵", ">"),
    **dict.fromkeys("◂◀‹←⏴", "<"),
    **dict.fromkeys("✗✘×", "x"),
    **dict.fromkeys("✓✔", "v"),
    **dict.fromkeys("▲↑▴", "^"),
    **dict.fromkeys("▼↓▾", "v"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("\u00a0\u202f\u2009", " "),
    "…": ".",
    "⏎": "n",
    "🔎": "> ",
}


class AsciiOnly(LineFilter):
    """Replaces every character that is not ASCII, whatever drew it, cell by cell."""

    def apply(self, segments: list[Segment], background: Background) -> list[Segment]:
        return [Segment(_ascii(text), style, control) for text, style, control in segments]


def needs_ascii(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal cannot be trusted with more than ASCII: the Linux console, a locale without UTF-8."""
    locale = next(filter(None, (env.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    charset = locale.partition(".")[2].partition("@")[0].lower().replace("-", "")
    return env.get("TERM") == "linux" or locale in ("C", "POSIX") or charset not in ("", "utf8")


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(one if one.isascii() else _STAND_INS.get(one) or "?" * max(1, _cells(one)) for one in text)


def _cells(character: str) -> int:
    return Segment(character).cell_length
