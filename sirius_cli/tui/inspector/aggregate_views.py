"""The aggregate views, each as text with bars. Whatever a model wrote is text here, never markup."""

import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.geometry import Size

from sirius_cli.services.inspection import aggregates
from sirius_cli.services.inspection.facts import Correction, Request, metrics_of
from sirius_cli.services.reports.table import shown, visible
from sirius_cli.tui.flow import Line
from sirius_cli.tui.panel import Point
from sirius_cli.tui.widgets.plot import Pen, Plot, Reference, plot_lines

_WHOLE, _HALF = "━", "╸"
_LEVELS = "▁▂▃▄▅▆▇█"
_WIDEST, _HIGHEST = 120, 24  # of the plot
_KINDS = {"line": "$mark-density", "reference": "$mark-reference", "label": "$mark-reference", "axis": "$mark-axis"}
_TOKEN = 16  # cells of a token's column
_PAIRS = 100  # rows of the view of pairs
_BAR = "$mark-density"
_SOFT = "$text-muted"


def acceptance(requests: Sequence[Request], columns: int) -> Content:
    """A bar for every position of the window, with the ends of its interval."""
    length = max(8, min(60, columns - 50))
    lines = [
        _heading(f"{'position':>8}  {'kept of drafted':<{length}} {'rate':>6} {'95 % interval':>15} {'counts':>11}")
    ]
    for rate in aggregates.acceptance_by_position(requests):
        numbers = f" {rate.rate:6.1%} {rate.low:6.1%} to {rate.high:6.1%} {rate.accepted:>5}/{rate.offered}"
        lines.append(_row(f"{rate.position:>8}  ", rate.rate, length, numbers))
    return _joined(lines, "no window was checked")


def pairs(corrections: Sequence[Correction], columns: int) -> Content:
    """The most frequent draft -> dense pairs."""
    found = aggregates.frequent_pairs(corrections)[:_PAIRS]
    most = found[0].count if found else 1
    length = max(6, min(30, columns - 62))
    lines = [_heading(f"{'draft':>16}   {'dense':<16} {'count':<{length + 6}} {'share':>6} {'mean margin':>12}")]
    for pair in found:
        name = f"{_fit(pair.draft, right=True)} → {_fit(pair.dense)} {pair.count:>5} "
        lines.append(_row(name, pair.count / most, length, f" {pair.share:6.1%} {shown(pair.margin, 'ratio'):>12}"))
    return _joined(lines, "no corrections here")


def classes(requests: Sequence[Request], columns: int) -> Content:
    """How often the tokens of each class are corrections."""
    length = max(8, min(50, columns - 48))
    counts = aggregates.by_class(requests)
    most = max((count.rate for count in counts), default=0) or 1
    lines = [_heading(f"{'class':>12}  {'corrected of its tokens':<{length}} {'rate':>6} {'counts':>12} {'share':>9}")]
    for count in counts:
        numbers = f" {count.rate:6.1%} {count.corrections:>5}/{count.tokens:<6} {count.share:>9.1%}"
        lines.append(_row(f"{count.token_class:>12}  ", count.rate / most, length, numbers))
    return _joined(lines, "no tokens here")


def advances(requests: Sequence[Request], columns: int) -> Content:
    """How many tokens the checks committed."""
    histogram = dict(aggregates.advance_histogram(requests))
    total, most = sum(histogram.values()), max(histogram.values(), default=1)
    length = max(8, min(60, columns - 30))
    lines = [_heading(f"{'advance':>8}  {'checks':<{length}} {'count':>6} {'share':>7}")]
    for advance in range(1, max(histogram, default=0) + 1):
        count = histogram.get(advance, 0)
        lines.append(_row(f"{advance:>8}  ", count / most, length, f" {count:>6} {count / total:>7.1%}"))
    return _joined(lines, "no window was checked")


def density(requests: Sequence[Request], size: Size, pen: Pen) -> Content:
    """Effective density as the answers grew: the latest windows alone, against dense decoding and the draft."""
    points = [p for p in aggregates.density_series(requests) if math.isfinite(p.overall + p.recent)]
    if not points:
        return _joined([], "no window was committed")
    draft = metrics_of(tuple(requests)).draft_density
    levels = [Reference(1.0, "dense")] + ([Reference(draft, "draft")] if draft is not None else [])
    plot = Plot([Point(point.tokens, point.recent) for point in points], levels)
    drawn = plot_lines(plot, min(size.width, _WIDEST), max(6, min(size.height - 2, _HIGHEST)), pen)
    told = f"effective density of the last {aggregates.LATEST} windows; of all of them: {points[-1].overall:.3f}"
    return Content("\n").join([_heading(told), Content(), *map(_styled, drawn)])


def _styled(line: Line) -> Content:
    return Content.assemble(*(Content.styled(run.text, _KINDS.get(run.kind, _SOFT)) for run in line))


def sparkline(values: Iterable[float]) -> str:
    """One character a value, the greatest full."""
    known = [value if math.isfinite(value) and value > 0 else 0.0 for value in values]
    greatest = max(known, default=0.0) or 1.0
    return "".join(_LEVELS[min(7, int(value / greatest * 8))] for value in known)


def _row(name: str, share: float, length: int, numbers: str) -> Content:
    return _assembled(name, _bar(share, length), numbers)


def _assembled(name: str, bar: str, numbers: str) -> Content:
    return Content.assemble(Content(name), Content.styled(bar, _BAR), Content.styled(numbers, _SOFT))


def _bar(share: float, length: int) -> str:
    whole, half = divmod(round(max(0.0, min(share, 1.0)) * length * 2), 2)
    return (_WHOLE * whole + _HALF * half).ljust(length)


def _fit(token: str, *, right: bool = False) -> str:
    """A token in exactly as many cells as its column has."""
    text = visible(token)
    text = text if cell_len(text) <= _TOKEN else set_cell_size(text, _TOKEN - 1) + "…"
    return " " * (_TOKEN - cell_len(text)) + text if right else set_cell_size(text, _TOKEN)


def _heading(text: str) -> Content:
    return Content.styled(text, "bold")


def _joined(lines: Sequence[Content], empty: str) -> Content:
    return Content("\n").join(lines) if len(lines) > 1 else Content.styled(empty, _SOFT)
