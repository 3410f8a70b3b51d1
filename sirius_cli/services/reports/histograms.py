"""Histograms below each other over one axis, as SVG, so that their shapes can be compared."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sirius_cli.services.reports.axes import BOTTOM, TOP, WIDTH, Frame, short, svg, text, tip, x_axis

_BINS = 32  # at most, about
_STRIP, _GAP = 44, 10
_NAMES, _NOTES = 138, 84  # room to the left and to the right
_LETTERS = 17  # of a name


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts`` by whole number; ``note`` stands beside it."""

    label: str
    counts: Mapping[int, int]
    note: str


@dataclass(frozen=True, slots=True)
class _Bin:
    """The numbers from ``first`` to ``last``."""

    first: int
    last: int
    count: int
    share: float


def stacked(title: str, histograms: Sequence[Histogram], x_label: str, unit: str) -> str:
    """The height of a bar is its share of its histogram's counts, on the same scale in all; ``unit`` is what counts."""
    span = _bin_width([number for one in histograms for number in one.counts])
    binned = [list(_bins(one.counts, span)) for one in histograms]
    every = [part for bins in binned for part in bins]
    height = TOP + BOTTOM + len(histograms) * (_STRIP + _GAP)
    start = min((part.first for part in every), default=0) - 0.5
    end = max((part.last for part in every), default=0) + 0.5
    frame = Frame(end, 1, _NOTES, x_from=start, left=_NAMES, height=height)
    highest = max((part.share for part in every), default=0.0) or 1.0
    body = list(x_axis(frame, x_label))
    for place, (one, bins) in enumerate(zip(histograms, binned, strict=True)):
        body += _strip(frame, TOP + (place + 1) * (_STRIP + _GAP) - _GAP, one, bins, highest, unit)
    return svg(title, height, body)


def _bin_width(numbers: Sequence[int]) -> int:
    """1, 2 or 5 times a power of ten."""
    least = (max(numbers, default=0) - min(numbers, default=0) + 1) / _BINS
    if least <= 1:
        return 1
    unit = int(10 ** math.floor(math.log10(least)))
    return next(unit * factor for factor in (1, 2, 5, 10, 20) if unit * factor >= least)


def _bins(counts: Mapping[int, int], span: int) -> Iterator[_Bin]:
    total = sum(counts.values()) or 1
    gathered: dict[int, int] = {}
    for number, count in counts.items():
        gathered[number // span] = gathered.get(number // span, 0) + count
    for place, count in sorted(gathered.items()):
        yield _Bin(place * span, (place + 1) * span - 1, count, count / total)


def _strip(
    frame: Frame, floor: float, one: Histogram, bins: Sequence[_Bin], highest: float, unit: str
) -> Iterator[str]:
    yield f'<path class="grid" d="M{frame.left} {floor}H{WIDTH - frame.right}"/>'
    yield text(_NAMES - 10, floor - 4, short(one.label, _LETTERS), "end", "name")
    yield text(WIDTH - _NOTES + 8, floor - 4, one.note, "start")
    for part in bins:
        yield _bar(frame, floor, part, part.share / highest * _STRIP, unit)


def _bar(frame: Frame, floor: float, part: _Bin, tall: float, unit: str) -> str:
    left, right = frame.at_x(part.first - 0.5), frame.at_x(part.last + 0.5)
    gap = min(1.5, 0.15 * (right - left))
    box = f'x="{left + gap / 2:.1f}" y="{floor - tall:.1f}" width="{right - left - gap:.1f}" height="{tall:.1f}"'
    numbers = f"{part.first}" if part.first == part.last else f"{part.first} to {part.last}"
    return f'<g>{tip(f"{numbers}: {part.count} {unit}, {part.share:.1%}")}<rect class="bar" {box}/></g>'
