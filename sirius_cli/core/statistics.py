"""Summaries of repeated measurements."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """``sd`` is the sample standard deviation, 0 for one value; ``p10`` and ``p90`` interpolate linearly."""

    n: int
    mean: float
    sd: float
    median: float
    p10: float
    p90: float


def summarise(values: Sequence[float]) -> Summary:
    """Summarise at least one value."""
    return Summary(
        n=len(values),
        mean=statistics.fmean(values),
        sd=statistics.stdev(values) if len(values) > 1 else 0.0,
        median=statistics.median(values),
        p10=quantile(values, 0.1),
        p90=quantile(values, 0.9),
    )


def quantile(values: Sequence[float], fraction: float) -> float:
    """The ``fraction``-quantile of ``values``, interpolated linearly between neighbours."""
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
