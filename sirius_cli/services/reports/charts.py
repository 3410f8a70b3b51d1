"""Small charts as SVG, each a string. Colours come from the classes in ``chart.css``; texts are escaped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sirius_cli.services.reports.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Frame,
    svg,
    text,
    ticks,
    tip,
    x_axis,
    x_name,
    y_axis,
)

_BAR_HEIGHT = 26
_LABEL = 96
_LEVEL_LABEL = 46


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its ``tip``, the text shown on it when pointed at; ``low`` to ``high`` is its interval."""

    label: str
    value: float
    tip: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A line through ``points``. ``style`` is its class."""

    label: str
    style: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line to compare with."""

    label: str
    y: float


def columns(title: str, bars: Sequence[Bar], x_label: str, y_label: str, top: float | None = None) -> str:
    """Upright bars over their labels; ``top`` is the end of the axis, by default above the tallest."""
    frame = Frame(len(bars) or 1, top or ticks(max((bar.value for bar in bars), default=1))[-1])
    every = math.ceil(len(bars) / 16)  # labels that fit
    body = [*y_axis(frame, y_label), x_name(frame, x_label)]
    for place, bar in enumerate(bars):
        body.append(_column(frame, place, bar))
        if place % every == 0:
            body.append(text(frame.at_x(place + 0.5), HEIGHT - BOTTOM + 16, bar.label, "middle"))
    return svg(title, HEIGHT, body)


def rows(title: str, bars: Sequence[Bar]) -> str:
    """Lying bars beside their labels, each with its ``tip`` behind it."""
    longest = max((bar.value for bar in bars), default=0) or 1
    body: list[str] = []
    for place, bar in enumerate(bars):
        y = 8 + place * _BAR_HEIGHT
        length = bar.value / longest * (WIDTH - _LABEL - 150)
        body.append(text(_LABEL - 8, y + 14, bar.label, "end"))
        body.append(f'<rect class="bar" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR_HEIGHT - 8}" rx="2"/>')
        body.append(text(_LABEL + length + 6, y + 14, bar.tip, "start"))
    return svg(title, 16 + _BAR_HEIGHT * max(len(bars), 1), body)


def lines(title: str, series: Sequence[Series], levels: Sequence[Level], x_label: str, y_label: str) -> str:
    """Lines over a common axis, with their legend above them."""
    points = [point for one in series for point in one.points]
    tallest = max([y for _, y in points] + [level.y for level in levels], default=1)
    frame = Frame(max((x for x, _ in points), default=1) or 1, ticks(tallest)[-1], _LEVEL_LABEL)
    body = [*y_axis(frame, y_label), *x_axis(frame, x_label), *(_level(frame, level) for level in levels)]
    body += [_line(frame, one) for one in series]
    body += [_legend(place, one) for place, one in enumerate(series)]
    return svg(title, HEIGHT, body)


def _column(frame: Frame, place: int, bar: Bar) -> str:
    left, right = frame.at_x(place + 0.12), frame.at_x(place + 0.88)
    top, floor = frame.at_y(bar.value), frame.at_y(0)
    box = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{floor - top:.1f}"'
    parts = [tip(bar.tip), f'<rect class="bar" {box} rx="1.5"/>']
    if bar.low is not None and bar.high is not None:
        middle, low, high = (left + right) / 2, frame.at_y(bar.low), frame.at_y(bar.high)
        parts.append(f'<path class="whisker" d="M{middle:.1f} {low:.1f}V{high:.1f}"/>')
    return f"<g>{''.join(parts)}</g>"


def _level(frame: Frame, level: Level) -> str:
    y = frame.at_y(level.y)
    line = f'<path class="level" d="M{LEFT} {y:.1f}H{WIDTH - frame.right}"/>'
    return line + text(WIDTH - frame.right + 6, y + 4, level.label, "start")


def _line(frame: Frame, series: Series) -> str:
    places = " ".join(f"{frame.at_x(x):.1f},{frame.at_y(y):.1f}" for x, y in series.points)
    return f'<polyline class="{series.style}" points="{places}"/>'


def _legend(place: int, series: Series) -> str:
    x = LEFT + 10 + place * 130
    return f'<path class="{series.style}" d="M{x} {TOP + 2}h22"/>' + text(x + 28, TOP + 6, series.label, "start")
