"""A small line chart as plain lines: axes with round numbers, reference lines, and a line of fine dots.

textual-plot was tried: it took 7 ms to redraw 300 points (this takes under 1), 0.11 s to import, and its frame and
margins left 28 of 40 columns and 3 of 10 lines.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.panel import Point

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_FIRST_LIMIT = 32
_TOPS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LINES_FOR_HALVES, _LINES_FOR_QUARTERS = 5, 9
_CELLS_A_TICK = 8
_LEAST_CELLS, _LEAST_ROWS = 12, 2
_LEAST_MARGIN = 4
"""Charts above each other are to begin at the same column."""
_UNIT = " tokens"


@dataclass(frozen=True, slots=True)
class Reference:
    """A level to compare with, drawn over the whole width."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """``points`` over tokens. The vertical axis goes from 0 to ``least_top`` at least, and to ``most_top`` at most.

    What is higher stands at the top.
    """

    points: Sequence[Point]
    references: Sequence[Reference] = ()
    least_top: float = 1.0
    most_top: float = math.inf

    @property
    def highest(self) -> float:
        """The highest value that has to be shown."""
        values = [point.value for point in self.points] + [reference.value for reference in self.references]
        return min(self.most_top, max([self.least_top, *values]))


@dataclass(frozen=True, slots=True)
class Pen:
    """How dots become characters: a cell holds ``across`` times ``down`` dots, bit ``column * down + row`` each."""

    across: int
    down: int
    glyphs: Mapping[int, str]
    dash: str
    upright: str
    corner: str
    level: str
    tick_left: str
    tick_below: str


def _braille(mask: int) -> str:
    # The pattern's own order of bits: rows 0 to 2 of both columns, then the last row.
    order = (0, 1, 2, 6, 3, 4, 5, 7)
    return chr(0x2800 + sum(1 << place for bit, place in enumerate(order) if mask & 1 << bit))


FINE = Pen(2, 4, {mask: _braille(mask) for mask in range(256)}, "┄", "│", "└", "─", "┤", "┬")
ASCII = Pen(1, 3, {0: " ", 1: "'", 2: "-", 3: "'", 4: ".", 5: "|", 6: ".", 7: "|"}, "-", "|", "+", "-", "+", "+")


@dataclass(slots=True)
class _Grid:
    """The cells between the axes: a character and its kind each."""

    columns: int
    rows: int
    signs: list[list[str]] = field(init=False)
    kinds: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.signs = [[" "] * self.columns for _ in range(self.rows)]
        self.kinds = [[""] * self.columns for _ in range(self.rows)]

    def put(self, row: int, column: int, sign: str, kind: str) -> None:
        self.signs[row][column], self.kinds[row][column] = sign, kind

    def free(self, row: int, start: int, length: int, allowed: str) -> bool:
        return all(kind in ("", allowed) for kind in self.kinds[row][start : start + length])

    def runs(self, row: int) -> Iterator[Run]:
        for kind, cells in groupby(zip(self.kinds[row], self.signs[row], strict=True), key=lambda cell: cell[0]):
            yield Run("".join(sign for _, sign in cells), kind)


def plot_lines(plot: Plot, width: int, height: int, pen: Pen) -> list[Line]:
    """``plot`` with its axes in ``height`` lines of ``width`` cells; none if there is no room for it."""
    rows = height - 2
    top = round_top(plot.highest)
    parts = 4 if rows >= _LINES_FOR_QUARTERS else 2 if rows >= _LINES_FOR_HALVES else 1
    ticks = [top * part / parts for part in range(parts + 1)]
    margin = max(_LEAST_MARGIN, *(len(f"{tick:g}") for tick in ticks))
    columns = width - margin - 1
    if columns < _LEAST_CELLS or rows < _LEAST_ROWS:
        return []
    grid = _Grid(columns, rows)
    limit = token_limit(plot.points[-1].tokens if plot.points else 0)
    _draw_references(grid, plot.references, top, pen)
    _draw_points(grid, plot.points, limit, top, pen)
    _label_references(grid, plot.references, top, pen)
    return [*_body(grid, ticks, top, margin, pen), *_token_axis(limit, margin, columns, pen)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below ``least``, which is above 0."""
    return _round_up(least, _ROUND)


def round_top(highest: float) -> float:
    """Where an axis ends that has to hold ``highest``: its half and its quarter are short numbers too."""
    return _round_up(highest, _TOPS)


def _round_up(least: float, factors: Sequence[float]) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in factors if factor * power >= least * (1 - 1e-9))


def token_limit(tokens: int) -> int:
    """Where the axis of tokens ends: it grows in steps, so that what is drawn seldom moves."""
    limit = _FIRST_LIMIT
    while limit < tokens:
        limit = limit * 3 // 2 if limit & (limit - 1) == 0 else limit * 4 // 3
    return limit


def _draw_references(grid: _Grid, references: Sequence[Reference], top: float, pen: Pen) -> None:
    for reference in references:
        for column in range(grid.columns):
            grid.put(_row(reference.value, top, grid.rows, pen), column, pen.dash, "reference")


def _label_references(grid: _Grid, references: Sequence[Reference], top: float, pen: Pen) -> None:
    """Write each label into its line, else just below or above, as far to the right as what is drawn lets it."""
    for reference in references:
        own, text = _row(reference.value, top, grid.rows, pen), f" {reference.label} "
        rows = [row for row in (own, own + 1, own - 1) if 0 <= row < grid.rows]
        columns = range(grid.columns - len(text) - 1, 0, -1)
        places = ((row, column) for row in rows for column in columns)
        free = (place for place in places if grid.free(*place, len(text), "reference" if place[0] == own else ""))
        if (found := next(free, None)) is not None:
            for offset, sign in enumerate(text):
                grid.put(found[0], found[1] + offset, sign, "label")


def _draw_points(grid: _Grid, points: Sequence[Point], limit: int, top: float, pen: Pen) -> None:
    masks: dict[tuple[int, int], int] = {}
    for x, low, high in _spans(points, limit, top, grid.columns * pen.across, grid.rows * pen.down):
        for y in range(low, high + 1):
            cell = (y // pen.down, x // pen.across)
            masks[cell] = masks.get(cell, 0) | 1 << (x % pen.across * pen.down + y % pen.down)
    for (row, column), mask in masks.items():
        grid.put(row, column, pen.glyphs[mask], "line")


def _spans(points: Sequence[Point], limit: int, top: float, across: int, down: int) -> Iterator[tuple[int, int, int]]:
    """For each column of dots that the line crosses: the column, its highest dot and its lowest, from the top."""
    before: int | None = None
    for x, value in _sampled(points, limit, across):
        y = _dot(value, top, down)
        if before is None or before == y:
            yield x, y, y
        else:
            yield (x, before + 1, y) if before < y else (x, y, before - 1)
        before = y


def _sampled(points: Sequence[Point], limit: int, across: int) -> Iterator[tuple[int, float]]:
    """The line's value at each column of dots between its ends."""
    scale = limit / (across - 1)
    if len(points) == 1:
        yield round(points[0].tokens / scale), points[0].value
    for one, other in pairwise(points):
        last = other is points[-1]
        for x in range(math.ceil(one.tokens / scale), math.ceil(other.tokens / scale) + last):
            share = min(1.0, (x * scale - one.tokens) / max(1, other.tokens - one.tokens))
            yield min(x, across - 1), one.value + share * (other.value - one.value)


def _body(grid: _Grid, ticks: Sequence[float], top: float, margin: int, pen: Pen) -> Iterator[Line]:
    labels = {_row(tick, top, grid.rows, pen): f"{tick:g}" for tick in ticks}
    for row in range(grid.rows):
        label = labels.get(row, "")
        edge = pen.tick_left if label else pen.upright
        yield (Run(label.rjust(margin), "tick"), Run(edge, "axis"), *grid.runs(row))


def _token_axis(limit: int, margin: int, columns: int, pen: Pen) -> tuple[Line, Line]:
    step = round_step(limit / max(1, columns // _CELLS_A_TICK))
    line, labels = [pen.level] * columns, " " * (columns + margin + 1)
    room = len(labels) - len(_UNIT)
    for number in range(int(limit / step) + 1):
        column = round(number * step / limit * (columns - 1))
        line[column] = pen.tick_below
        text = f"{number * step:g}"
        start = margin + 1 + column - len(text) // 2
        if start + len(text) < room:
            labels = labels[:start] + text + labels[start + len(text) :]
    return (Run(" " * margin), Run(pen.corner + "".join(line), "axis")), (Run(labels[:room] + _UNIT, "tick"),)


def _dot(value: float, top: float, dots: int) -> int:
    """The row of dots, counted from the top, at which ``value`` stands."""
    return round((1 - min(value, top) / top) * (dots - 1))


def _row(value: float, top: float, rows: int, pen: Pen) -> int:
    """The row of cells that has this dot."""
    return _dot(value, top, rows * pen.down) // pen.down
