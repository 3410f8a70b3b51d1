"""Samples over committed tokens, smoothed and thinned so that a chart costs the same however long an answer gets."""

from collections import deque
from dataclasses import dataclass, field

from sirius_cli.tui.panel import Point

_MOST_POINTS = 240


@dataclass(slots=True)
class Rolling:
    """The ratio of two sums over the last ``span`` tokens."""

    span: int = 32
    _parts: deque[tuple[int, float, float]] = field(default_factory=deque)
    _tokens: int = 0
    _above: float = 0.0
    _below: float = 0.0

    def add(self, tokens: int, above: float, below: float) -> float | None:
        """Take a part that stands for ``tokens`` tokens. Returns the ratio, or None where it is undefined."""
        self._parts.append((tokens, above, below))
        self._count(tokens, above, below)
        while len(self._parts) > 1 and self._tokens - self._parts[0][0] >= self.span:
            gone, less_above, less_below = self._parts.popleft()
            self._count(-gone, -less_above, -less_below)
        return self._above / self._below if self._below > 0 else None

    def _count(self, tokens: int, above: float, below: float) -> None:
        self._tokens += tokens
        self._above += above
        self._below += below


@dataclass(slots=True)
class Series:
    """At most ``_MOST_POINTS`` points. When they run out, neighbours become one, and later samples go together too."""

    _points: list[Point] = field(default_factory=list)
    _group: list[Point] = field(default_factory=list)
    _stride: int = 1
    _shown: tuple[Point, ...] | None = None

    def add(self, tokens: int, value: float) -> None:
        """Take a sample; ``tokens`` only grows. Costs O(1), on average."""
        self._shown = None
        self._group.append(Point(tokens, value))
        if len(self._group) < self._stride:
            return
        self._points.append(_mean(self._group))
        self._group = []
        if len(self._points) >= _MOST_POINTS:
            self._points = [_mean(self._points[i : i + 2]) for i in range(0, _MOST_POINTS, 2)]
            self._stride *= 2

    @property
    def points(self) -> tuple[Point, ...]:
        """The points, oldest first; the same object until a sample is added."""
        if self._shown is None:
            newest = (_mean(self._group),) if self._group else ()
            self._shown = (*self._points, *newest)
        return self._shown


def _mean(points: list[Point]) -> Point:
    return Point(points[-1].tokens, sum(point.value for point in points) / len(points))
