"""An inspection as one SVG picture: the coloured text, and the charts beside each other below it."""

from collections.abc import Iterator
from html import escape

from sirius_cli.core.safe_text import width
from sirius_cli.services.inspection.facts import Inspection, Request, metrics_of
from sirius_cli.services.inspection.reports import figures, tables
from sirius_cli.services.inspection.wrapping import Line, without_blanks, wrap
from sirius_cli.services.reports import picture
from sirius_cli.services.reports.table import shown

_COLUMNS, _LINES = 104, 40  # of text
_CELL, _LEADING = 8.4, 22  # of a character of 14 px
_HEAD = 92
_STYLE = """
.line { font: 14px ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--ink); white-space: pre; }
.line .correction { fill: var(--orange); font-weight: 600; }
.line .bonus { fill: var(--green); }
.line .lookup { fill: var(--blue); }
.under { stroke: var(--orange); stroke-width: 2; }
.back { fill: var(--mark); }
"""


def render(inspection: Inspection) -> str:
    """The whole picture. Of long answers it shows the beginning, and says so."""
    shown = list(_shown(inspection))
    top = _HEAD + len(shown) * _LEADING + 24
    charts, bottom = picture.two_columns(figures.all_charts(inspection.requests), top)
    return picture.document(bottom, [*_head(inspection), *shown, *charts], _STYLE)


def _head(inspection: Inspection) -> Iterator[str]:
    facts = dict(tables.about(inspection))
    metrics = metrics_of(inspection.requests)
    names = ("corrected_fraction", "aal", "effective_density")
    told = [f"{tables.FIGURES[n][0]} {shown(getattr(metrics, n), tables.FIGURES[n][1])}" for n in names]
    yield picture.text("title", picture.MARGIN, 40, facts["model"])
    line = [f"profile {facts['profile']} ({facts['draft']}; {facts['check']})", f"{metrics.committed_tokens} tokens"]
    yield picture.text("small", picture.MARGIN, 64, " · ".join([*line, *told]))


def _shown(inspection: Inspection) -> Iterator[str]:
    numbered = [(request, line) for request in inspection.requests for line in _paragraph(request)]
    for place, (request, line) in enumerate(numbered[:_LINES]):
        yield _line(request, line, _HEAD + place * _LEADING)
    if len(numbered) > _LINES:
        y = _HEAD + _LINES * _LEADING
        yield picture.text("small", picture.MARGIN, y, f"… {len(numbered) - _LINES} more lines")


def _paragraph(request: Request) -> list[Line]:
    """Its lines, and a blank one before the next."""
    return [*wrap(request, _COLUMNS), ()]


def _line(request: Request, line: Line, y: float) -> str:
    """Every piece has its own place, so that no viewer's font can shift what follows."""
    marks, spans, column = [], [], 0
    for piece in line:
        blanks, core = without_blanks(piece.text)
        x, wide = picture.MARGIN + (column + width(blanks)) * _CELL, width(core) * _CELL
        style = _origin(request, piece.token)
        if style == "correction":
            marks.append(f'<rect class="back" x="{x:.1f}" y="{y - 15}" width="{wide:.1f}" height="20" rx="3"/>')
            marks.append(f'<path class="under" d="M{x:.1f} {y + 4}h{wide:.1f}"/>')
        spans.append(f'<tspan x="{x:.1f}" class="{style}">{escape(core)}</tspan>')
        column += width(piece.text)
    return f'{"".join(marks)}<text class="line" y="{y}" xml:space="preserve">{"".join(spans)}</text>'


def _origin(request: Request, token: int) -> str:
    return request.tokens[token].origin if token < len(request.tokens) else "tail"
