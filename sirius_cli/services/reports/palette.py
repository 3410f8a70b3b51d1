"""The colours of pages and pictures. Hues are of the Okabe-Ito set, which colour-blind readers can tell apart; every
text colour has a contrast of at least 4.5 on its paper."""

import re
from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff", "panel": "#f6f7f9", "ink": "#1b1f24", "soft": "#57606a", "line": "#d5d9de",
    "blue": "#0067a5", "orange": "#9a3f00", "mark": "#ffe9d1", "green": "#00704f", "mist": "#c9dff0",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "paper": "#14171b", "panel": "#1d2126", "ink": "#e4e7eb", "soft": "#a2abb6", "line": "#3a4149",
    "blue": "#6cb6f0", "orange": "#ffb068", "mark": "#47301a", "green": "#4fcfa2", "mist": "#264a66",
}  # fmt: skip
_VARIABLE = re.compile(r"var\(--(\w+)\)")


def variables(palette: Mapping[str, str]) -> str:
    """The declarations that give a style sheet its colours."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


def literal(style: str, palette: Mapping[str, str]) -> str:
    """``style`` with its variables replaced, for viewers of SVG that know none."""
    return _VARIABLE.sub(lambda match: palette[match.group(1)], style)
