"""Where things are in a chart, and its axes, as SVG. Colours come from the classes in ``chart.css``."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from sirius_cli.core.safe_text import one_line, width

WIDTH, HEIGHT = 460, 250  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 42


@dataclass(frozen=True, slots=True)
class Frame:
    """From values to places. The axes run from ``x_from`` and ``y_from`` to ``x`` and ``y``; the rest are the
    margins on either side, and ``height`` that of the chart."""

    x: float
    y: float
    right: float = RIGHT
    x_from: float = 0.0
    y_from: float = 0.0
    left: float = LEFT
    height: float = HEIGHT

    def at_x(self, value: float) -> float:
        share = (value - self.x_from) / (self.x - self.x_from or 1.0)
        return self.left + share * (WIDTH - self.left - self.right)

    def at_y(self, value: float) -> float:
        share = min((value - self.y_from) / (self.y - self.y_from or 1.0), 1.0)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def ticks(top: float, bottom: float = 0.0, about: int = 5) -> list[float]:
    """Round values from at most ``bottom`` to at least ``top``, roughly ``about`` of them."""
    if not 1e-300 < top - bottom < 1e300:
        return [bottom, bottom + max(1.0, abs(bottom))]
    rough = (top - bottom) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    slack = 0.001 * (top - bottom) / step
    return [step * i for i in range(math.floor(bottom / step + slack), math.ceil(top / step - slack) + 1)]


def y_axis(frame: Frame, label: str) -> Iterable[str]:
    """Lines across the chart with their values, and what they are."""
    for tick in _within(frame.y_from, frame.y):
        y = frame.at_y(tick)
        yield f'<path class="grid" d="M{frame.left} {y:.1f}H{WIDTH - frame.right}"/>'
        yield text(frame.left - 6, y + 4, f"{tick:g}", "end")
    middle = (frame.height - BOTTOM + TOP) / 2
    yield f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{_safe(label)}</text>'


def x_axis(frame: Frame, label: str) -> Iterable[str]:
    """The values below the chart, and what they are."""
    for tick in _within(frame.x_from, frame.x):
        yield text(frame.at_x(tick), frame.height - BOTTOM + 16, f"{tick:g}", "middle")
    yield x_name(frame, label)


def x_name(frame: Frame, label: str) -> str:
    """What the values below the chart are."""
    return text((frame.left + WIDTH - frame.right) / 2, frame.height - 6, label, "middle")


def text(x: float, y: float, content: str, anchor: str, style: str = "") -> str:
    """One line of text, escaped and without control characters."""
    look = f' class="{style}"' if style else ""
    return f'<text{look} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(content)}</text>'


def short(label: str, letters: int) -> str:
    """``label`` without its middle where it takes more than so many columns: names differ at their ends."""
    half = (letters - 1) // 2
    return label if width(label) <= letters else f"{label[:half]}…{label[-half:]}"


def tip(content: str) -> str:
    """What is shown when the group that it is in is pointed at."""
    return f"<title>{_safe(content)}</title>"


def svg(title: str, height: float, body: Iterable[str]) -> str:
    """The whole chart; ``title`` is for readers who do not see it."""
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" xmlns="http://www.w3.org/2000/svg" role="img"'
    return f'{head} aria-label="{_safe(title)}">{"".join(body)}</svg>'


def _safe(content: str) -> str:
    return escape(one_line(content))


def _within(start: float, end: float) -> Iterable[float]:
    slack = 0.001 * (end - start)
    return (tick for tick in ticks(end, start) if start - slack <= tick <= end + slack)
