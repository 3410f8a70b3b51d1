"""Small charts as SVG, each a string. Colours come from the classes in ``chart.css``; texts are escaped."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 250  # of a chart, in its own units
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 42
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


@dataclass(frozen=True, slots=True)
class _Frame:
    """From values to places. ``x`` and ``y`` run from 0 to these; ``right`` is the margin there."""

    x: float
    y: float
    right: float = _RIGHT

    def at_x(self, value: float) -> float:
        return _LEFT + value / self.x * (WIDTH - _LEFT - self.right)

    def at_y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - min(value / self.y, 1.0) * (HEIGHT - _TOP - _BOTTOM)


def columns(title: str, bars: Sequence[Bar], x_label: str, y_label: str, top: float | None = None) -> str:
    """Upright bars over their labels; ``top`` is the end of the axis, by default above the tallest."""
    frame = _Frame(len(bars) or 1, top or ticks(max((bar.value for bar in bars), default=1))[-1])
    every = math.ceil(len(bars) / 16)  # labels that fit
    body = [*_y_axis(frame, y_label), _text(WIDTH / 2, HEIGHT - 6, x_label, "middle")]
    for place, bar in enumerate(bars):
        body.append(_column(frame, place, bar))
        if place % every == 0:
            body.append(_text(frame.at_x(place + 0.5), HEIGHT - _BOTTOM + 16, bar.label, "middle"))
    return _svg(title, HEIGHT, body)


def rows(title: str, bars: Sequence[Bar]) -> str:
    """Lying bars beside their labels, each with its ``tip`` behind it."""
    longest = max((bar.value for bar in bars), default=0) or 1
    body: list[str] = []
    for place, bar in enumerate(bars):
        y = 8 + place * _BAR_HEIGHT
        length = bar.value / longest * (WIDTH - _LABEL - 150)
        body.append(_text(_LABEL - 8, y + 14, bar.label, "end"))
        body.append(f'<rect class="bar" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR_HEIGHT - 8}" rx="2"/>')
        body.append(_text(_LABEL + length + 6, y + 14, bar.tip, "start"))
    return _svg(title, 16 + _BAR_HEIGHT * max(len(bars), 1), body)


def lines(title: str, series: Sequence[Series], levels: Sequence[Level], x_label: str, y_label: str) -> str:
    """Lines over a common axis, with their legend above them."""
    points = [point for one in series for point in one.points]
    tallest = max([y for _, y in points] + [level.y for level in levels], default=1)
    frame = _Frame(max((x for x, _ in points), default=1) or 1, ticks(tallest)[-1], _LEVEL_LABEL)
    body = [*_y_axis(frame, y_label), *_x_axis(frame, x_label), *(_level(frame, level) for level in levels)]
    body += [_line(frame, one) for one in series]
    body += [_legend(place, one) for place, one in enumerate(series)]
    return _svg(title, HEIGHT, body)


def ticks(top: float, about: int = 5) -> list[float]:
    """Round values from 0 to at least ``top``, roughly ``about`` of them."""
    if not 0 < top < math.inf:
        return [0.0, 1.0]
    rough = top / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    return [step * i for i in range(math.ceil(top / step * 0.999) + 1)]


def _column(frame: _Frame, place: int, bar: Bar) -> str:
    left, right = frame.at_x(place + 0.12), frame.at_x(place + 0.88)
    top, floor = frame.at_y(bar.value), frame.at_y(0)
    box = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{floor - top:.1f}"'
    parts = [f"<title>{html.escape(bar.tip)}</title>", f'<rect class="bar" {box} rx="1.5"/>']
    if bar.low is not None and bar.high is not None:
        middle, low, high = (left + right) / 2, frame.at_y(bar.low), frame.at_y(bar.high)
        parts.append(f'<path class="whisker" d="M{middle:.1f} {low:.1f}V{high:.1f}"/>')
    return f"<g>{''.join(parts)}</g>"


def _y_axis(frame: _Frame, label: str) -> Iterable[str]:
    for tick in ticks(frame.y):
        y = frame.at_y(tick)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - frame.right}"/>'
        yield _text(_LEFT - 6, y + 4, f"{tick:g}", "end")
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    yield f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{html.escape(label)}</text>'


def _x_axis(frame: _Frame, label: str) -> Iterable[str]:
    for tick in ticks(frame.x):
        if tick <= frame.x:
            yield _text(frame.at_x(tick), HEIGHT - _BOTTOM + 16, f"{tick:g}", "middle")
    yield _text(WIDTH / 2, HEIGHT - 6, label, "middle")


def _level(frame: _Frame, level: Level) -> str:
    y = frame.at_y(level.y)
    line = f'<path class="level" d="M{_LEFT} {y:.1f}H{WIDTH - frame.right}"/>'
    return line + _text(WIDTH - frame.right + 6, y + 4, level.label, "start")


def _line(frame: _Frame, series: Series) -> str:
    places = " ".join(f"{frame.at_x(x):.1f},{frame.at_y(y):.1f}" for x, y in series.points)
    return f'<polyline class="{series.style}" points="{places}"/>'


def _legend(place: int, series: Series) -> str:
    x = _LEFT + 10 + place * 130
    return f'<path class="{series.style}" d="M{x} {_TOP + 2}h22"/>' + _text(x + 28, _TOP + 6, series.label, "start")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(title: str, height: float, body: Iterable[str]) -> str:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" xmlns="http://www.w3.org/2000/svg" role="img"'
    return f'{head} aria-label="{html.escape(title)}">{"".join(body)}</svg>'
