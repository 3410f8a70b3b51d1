"""Measured points with their errors, as SVG: in a plane, or one below the other."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sirius_cli.core.safe_text import width
from sirius_cli.services.reports.axes import BOTTOM, TOP, WIDTH, Frame, short, svg, text, ticks, tip, x_axis, y_axis

_HEIGHT = 280
_LETTER, _LINE = 7.2, 13  # of a label, about
_LONGEST = 21  # letters of a label
_FAR = 22  # from a point to its label: from here on a line joins them
_ROOM = 0.08  # of the values, between the outermost and the edge
_ROW, _NAMES = 30, 164  # of points below each other
_Box = tuple[float, float, float, float]  # left, top, right, bottom
_Place = tuple[float, float, str]


@dataclass(frozen=True, slots=True)
class Point:
    """``low`` to ``high`` is the error of ``y``; ``tip`` is shown when the point is pointed at."""

    label: str
    x: float
    y: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What to compare with: a line at ``y`` with its error, and one at ``x``."""

    label: str
    y: float
    low: float
    high: float
    x: float | None = None


def plane(title: str, points: Sequence[Point], reference: Reference | None, x_label: str, y_label: str) -> str:
    """Labelled points, each with an upright bar for its error."""
    frame = _frame(points, reference)
    body = [*_band(frame, reference), *y_axis(frame, y_label), *x_axis(frame, x_label), *_lines(frame, reference)]
    body += [_marked(frame, point) for point in points]
    body += [_named(frame, point, place) for point, place in _labels(frame, points, reference)]
    return svg(title, _HEIGHT, body)


def dots(title: str, points: Sequence[Point], reference: Reference | None, y_label: str) -> str:
    """The points' ``y`` alone, from left to right, one point below the other."""
    start, end = _reach([point.low for point in points], [point.high for point in points], reference)
    height = TOP + BOTTOM + _ROW * max(len(points), 1)
    frame = Frame(end, 1, x_from=start, left=_NAMES, height=height)
    body = list(x_axis(frame, y_label))
    if reference:
        name = short(reference.label, _LONGEST)
        body += [_upright(frame, reference.y), text(frame.at_x(reference.y), 10, name, "middle")]
    return svg(title, height, [*body, *(_row(frame, place, point) for place, point in enumerate(points))])


def _frame(points: Sequence[Point], reference: Reference | None) -> Frame:
    bottom, top = _reach([point.low for point in points], [point.high for point in points], reference)
    places = [point.x for point in points] + ([reference.x] if reference and reference.x is not None else [])
    left, right = _widened(min(places, default=0), max(places, default=1))
    return Frame(right, top, x_from=left, y_from=bottom, height=_HEIGHT)


def _reach(lows: list[float], highs: list[float], reference: Reference | None) -> tuple[float, float]:
    """Round values around everything that has to be seen."""
    more = ([reference.low], [reference.high]) if reference else ([], [])
    low, high = _widened(min(lows + more[0], default=0), max(highs + more[1], default=1))
    marks = ticks(high, low)
    return marks[0], marks[-1]


def _widened(low: float, high: float) -> tuple[float, float]:
    """With some room on both sides, though not below 0 where nothing is."""
    room = _ROOM * (high - low) or 0.1 * (abs(low) or 1.0)
    return (0.0 if 0 <= low < room else low - room), high + room


def _band(frame: Frame, reference: Reference | None) -> Iterator[str]:
    """The error of the reference, behind everything."""
    if reference and reference.high > reference.low:
        top, bottom = frame.at_y(reference.high), frame.at_y(reference.low)
        box = f'x="{frame.left}" y="{top:.1f}" width="{WIDTH - frame.left - frame.right}" height="{bottom - top:.1f}"'
        yield f'<rect class="band" {box}/>'


def _lines(frame: Frame, reference: Reference | None) -> Iterator[str]:
    if reference:
        y = frame.at_y(reference.y)
        yield f'<path class="level" d="M{frame.left} {y:.1f}H{WIDTH - frame.right}"/>'
        x, y, anchor = _name_of(frame, reference)
        yield text(x, y, short(reference.label, _LONGEST), anchor)
    if reference and reference.x is not None:
        yield _upright(frame, reference.x)


def _name_of(frame: Frame, reference: Reference) -> _Place:
    return frame.left + 6, frame.at_y(reference.y) - 4, "start"


def _upright(frame: Frame, x: float) -> str:
    return f'<path class="level" d="M{frame.at_x(x):.1f} {TOP}V{frame.height - BOTTOM}"/>'


def _marked(frame: Frame, point: Point) -> str:
    x, y = frame.at_x(point.x), frame.at_y(point.y)
    whisker = f'<path class="whisker" d="M{x:.1f} {frame.at_y(point.low):.1f}V{frame.at_y(point.high):.1f}"/>'
    return f'<g>{tip(point.tip)}{whisker}<circle class="bar" cx="{x:.1f}" cy="{y:.1f}" r="5"/></g>'


def _row(frame: Frame, place: int, point: Point) -> str:
    x, y = frame.at_x(point.y), TOP + _ROW * (place + 0.5)
    whisker = f'<path class="whisker" d="M{frame.at_x(point.low):.1f} {y:.1f}H{frame.at_x(point.high):.1f}"/>'
    mark = f'<circle class="bar" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    name = text(_NAMES - 12, y + 4, short(point.label, _LONGEST), "end", "name")
    return f"<g>{tip(point.tip)}{whisker}{mark}{name}</g>"


def _labels(frame: Frame, points: Sequence[Point], reference: Reference | None) -> Iterator[tuple[Point, _Place]]:
    """Each point's label at the first place near it where it covers nothing; where there is none, at the first."""
    taken = [box for point in points for box in _covered(frame, point)]
    taken += [_box(_name_of(frame, reference), reference.label)] if reference else []
    for point in points:
        places = list(_places(frame, point))
        free = [place for place in places if _is_free(frame, _box(place, point.label), taken)]
        place = (free or places)[0]
        taken.append(_box(place, point.label))
        yield point, place


def _named(frame: Frame, point: Point, place: _Place) -> str:
    x, y, anchor = place
    name = text(x, y, short(point.label, _LONGEST), anchor, "name")
    from_x, from_y = frame.at_x(point.x), frame.at_y(point.y)
    if math.hypot(x - from_x, y - 4 - from_y) < _FAR:
        return name
    return f'<path class="leader" d="M{from_x:.1f} {from_y:.1f}L{x:.1f} {y - 4:.1f}"/>{name}'


def _covered(frame: Frame, point: Point) -> Iterator[_Box]:
    x, y = frame.at_x(point.x), frame.at_y(point.y)
    yield x - 6, y - 6, x + 6, y + 6
    yield x - 1, frame.at_y(point.high), x + 1, frame.at_y(point.low)


def _places(frame: Frame, point: Point) -> Iterator[_Place]:
    """Beside the point, the nearest first."""
    x, y = frame.at_x(point.x), frame.at_y(point.y)
    offsets = [(aside, down) for aside in (9, 35, 61, 87) for down in range(-74, 82, 13)]
    for aside, down in sorted(offsets, key=lambda offset: offset[0] + abs(offset[1] - 4)):
        yield x + aside, y + down, "start"
        yield x - aside, y + down, "end"


def _box(place: _Place, label: str) -> _Box:
    x, y, anchor = place
    wide = _LETTER * width(short(label, _LONGEST))
    left = x if anchor == "start" else x - wide
    return left, y - _LINE + 3, left + wide, y + 3


def _is_free(frame: Frame, box: _Box, taken: Iterable[_Box]) -> bool:
    inside = box[0] >= frame.left and box[2] <= WIDTH and box[1] >= 0 and box[3] <= frame.height - BOTTOM
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
    )
