"""Charts side by side in one SVG picture that needs no page around it."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.reports import axes, markup, palette

MARGIN: Final = 28
WIDTH: Final = 2 * (axes.WIDTH + MARGIN) + MARGIN
_LONGEST: Final = 150  # characters of a line
_NOT_XML: Final = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")  # the only characters left that XML forbids
_STYLE: Final = """
.paper { fill: var(--paper); }
.title { font: 600 20px system-ui, sans-serif; fill: var(--ink); }
.small { font: 13px system-ui, sans-serif; fill: var(--soft); }
.caption { font: 600 14px system-ui, sans-serif; fill: var(--ink); }
"""


def document(height: float, body: Iterable[str], rules: str = "") -> str:
    """The whole picture, ``WIDTH`` by ``height``; ``rules`` are CSS beside those of charts and of :func:`text`."""
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    paper = f'<rect class="paper" width="{WIDTH}" height="{height:g}"/>'
    style = f"<style>{_coloured(_STYLE + rules + markup.chart_style())}</style>"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', style, paper, *body, "</svg>\n"]
    return "\n".join(parts).translate(_NOT_XML)


def text(style: str, x: float, y: float, content: str) -> str:
    """One line of the class "title", "small" or "caption", cut where it is too long."""
    line = one_line(content)
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(line)}</text>'


def two_columns(charts: Sequence[tuple[str, str]], top: float) -> tuple[list[str], float]:
    """``charts`` with their titles, two in a row from ``top`` on; and where they end."""
    body, y = [], top
    for first in range(0, len(charts), 2):
        row = charts[first : first + 2]
        for place, (title, svg) in enumerate(row):
            x = MARGIN + place * (axes.WIDTH + MARGIN)
            body += [text("caption", x, y, title), f'<g transform="translate({x} {y + 10:g})">{_sized(svg)}</g>']
        y += max(_height(svg) for _, svg in row) + 50
    return body, y


def _coloured(rules: str) -> str:
    dark = palette.literal(rules, palette.DARK)
    return f"{palette.literal(rules, palette.LIGHT)}@media (prefers-color-scheme: dark) {{{dark}}}"


def _height(svg: str) -> float:
    return float(svg.split('viewBox="', 1)[1].split('"', 1)[0].split()[3])


def _sized(svg: str) -> str:
    return svg.replace("<svg ", f'<svg width="{axes.WIDTH}" height="{_height(svg):g}" ', 1)
