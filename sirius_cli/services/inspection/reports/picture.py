"""An inspection as one SVG picture: the coloured text, and the charts beside each other below it."""

from collections.abc import Iterator
from html import escape

from sirius_cli.core.safe_text import one_line, width
from sirius_cli.services.inspection.facts import Inspection, Request, metrics_of
from sirius_cli.services.inspection.reports import figures, tables
from sirius_cli.services.inspection.wrapping import Line, without_blanks, wrap
from sirius_cli.services.reports import axes, markup, palette
from sirius_cli.services.reports.table import shown

_COLUMNS, _LINES = 104, 40  # of text
_CELL, _LEADING = 8.4, 22  # of a character of 14 px
_MARGIN, _HEAD = 28, 92
_WIDTH = 2 * (axes.WIDTH + _MARGIN) + _MARGIN
_NOT_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")  # the only characters left that XML forbids
_STYLE = """
.paper { fill: var(--paper); }
.title { font: 600 20px system-ui, sans-serif; fill: var(--ink); }
.small { font: 13px system-ui, sans-serif; fill: var(--soft); }
.caption { font: 600 14px system-ui, sans-serif; fill: var(--ink); }
.line { font: 14px ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--ink); white-space: pre; }
.line .correction { fill: var(--orange); font-weight: 600; }
.line .bonus { fill: var(--green); }
.under { stroke: var(--orange); stroke-width: 2; }
.back { fill: var(--mark); }
"""


def render(inspection: Inspection) -> str:
    """The whole picture. Of long answers it shows the beginning, and says so."""
    shown = list(_shown(inspection))
    text_height = len(shown) * _LEADING
    height = _HEAD + text_height + 2 * (axes.HEIGHT + 50)
    body = [f'<rect class="paper" width="{_WIDTH}" height="{height}"/>', *_head(inspection), *shown]
    body += _charts(inspection, _HEAD + text_height + 24)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{_style()}</style>", *body, "</svg>\n"]
    return "\n".join(parts).translate(_NOT_XML)


def _style() -> str:
    rules = _STYLE + markup.chart_style()
    dark = palette.literal(rules, palette.DARK)
    return f"{palette.literal(rules, palette.LIGHT)}@media (prefers-color-scheme: dark) {{{dark}}}"


def _head(inspection: Inspection) -> Iterator[str]:
    facts = dict(tables.about(inspection))
    metrics = metrics_of(inspection.requests)
    names = ("corrected_fraction", "aal", "effective_density")
    told = [f"{tables.FIGURES[n][0]} {shown(getattr(metrics, n), tables.FIGURES[n][1])}" for n in names]
    yield _text("title", _MARGIN, 40, _short(facts["model"]))
    line = [f"profile {facts['profile']} ({facts['draft']}; {facts['check']})", f"{metrics.committed_tokens} tokens"]
    yield _text("small", _MARGIN, 64, _short(" · ".join([*line, *told])))


def _shown(inspection: Inspection) -> Iterator[str]:
    numbered = [(request, line) for request in inspection.requests for line in _paragraph(request)]
    for place, (request, line) in enumerate(numbered[:_LINES]):
        yield _line(request, line, _HEAD + place * _LEADING)
    if len(numbered) > _LINES:
        y = _HEAD + _LINES * _LEADING
        yield _text("small", _MARGIN, y, f"… {len(numbered) - _LINES} more lines")


def _paragraph(request: Request) -> list[Line]:
    """Its lines, and a blank one before the next."""
    return [*wrap(request, _COLUMNS), ()]


def _line(request: Request, line: Line, y: float) -> str:
    """Every piece has its own place, so that no viewer's font can shift what follows."""
    marks, spans, column = [], [], 0
    for piece in line:
        blanks, core = without_blanks(piece.text)
        x, wide = _MARGIN + (column + width(blanks)) * _CELL, width(core) * _CELL
        style = _origin(request, piece.token)
        if style == "correction":
            marks.append(f'<rect class="back" x="{x:.1f}" y="{y - 15}" width="{wide:.1f}" height="20" rx="3"/>')
            marks.append(f'<path class="under" d="M{x:.1f} {y + 4}h{wide:.1f}"/>')
        spans.append(f'<tspan x="{x:.1f}" class="{style}">{escape(core)}</tspan>')
        column += width(piece.text)
    return f'{"".join(marks)}<text class="line" y="{y}" xml:space="preserve">{"".join(spans)}</text>'


def _origin(request: Request, token: int) -> str:
    return request.tokens[token].origin if token < len(request.tokens) else "tail"


def _charts(inspection: Inspection, top: float) -> Iterator[str]:
    for place, (title, svg) in enumerate(figures.all_charts(inspection.requests)):
        x = _MARGIN + place % 2 * (axes.WIDTH + _MARGIN)
        y = top + place // 2 * (axes.HEIGHT + 50)
        yield _text("caption", x, y, title)
        yield f'<g transform="translate({x} {y + 10})">{_sized(svg)}</g>'


def _sized(svg: str) -> str:
    height = svg.split('viewBox="', 1)[1].split('"', 1)[0].split()[3]
    return svg.replace("<svg ", f'<svg width="{axes.WIDTH}" height="{height}" ', 1)


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= 150 else text[:149] + "…"


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'
