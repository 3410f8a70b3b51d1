"""Figures over many answers: pure folds over what :mod:`.facts` holds."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sirius_cli.services.inspection.facts import Correction, Request, Window
from sirius_cli.services.inspection.token_classes import CLASSES, TokenClass, classify

_Z = 1.96  # of the normal distribution, for 95 %
LATEST = 8  # windows that "recent" looks back
_LONGEST_WINDOW = 256  # tokens; a profile allows no more, and a forged trace must not make a table of millions


@dataclass(frozen=True, slots=True)
class PositionRate:
    """How the tokens drafted at one ``position`` of a window (from 1) fared.

    ``offered`` were drafted, ``reached`` came up in the check (all before them were accepted), ``accepted`` are kept.
    ``rate`` is accepted / offered with its 95 % Wilson interval, ``low`` to ``high``; ``rate_if_reached`` is accepted /
    reached.
    """

    position: int
    offered: int
    reached: int
    accepted: int
    rate: float
    low: float
    high: float
    rate_if_reached: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """``count`` corrections from ``draft`` to ``dense``, their ``share`` of all and their mean ``margin``."""

    draft: str
    dense: str
    count: int
    share: float
    margin: float | None


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Of the committed ``tokens`` of a class, ``corrections`` are corrections: ``rate``; ``share`` is of all those."""

    token_class: TokenClass
    corrections: int
    share: float
    tokens: int
    rate: float


@dataclass(frozen=True, slots=True)
class DensityPoint:
    """After ``tokens`` committed ones: the effective density so far, and that of the latest windows alone."""

    tokens: int
    overall: float
    recent: float


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, 1927). ``trials`` is positive."""
    p, spread = successes / trials, _Z**2 / trials
    middle = p + spread / 2
    half = _Z * math.sqrt(p * (1 - p) / trials + spread / (4 * trials))
    # Rounding must not put the proportion itself outside.
    return max(0.0, min(p, (middle - half) / (1 + spread))), min(1.0, max(p, (middle + half) / (1 + spread)))


def acceptance_by_position(requests: Iterable[Request]) -> tuple[PositionRate, ...]:
    """One entry for each position that any checked window drafted."""
    offered: Counter[int] = Counter()
    reached: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    for drafted, kept in _checked(requests):
        offered.update(range(1, drafted + 1))
        reached.update(range(1, min(kept + 1, drafted) + 1))
        accepted.update(range(1, kept + 1))
    return tuple(_rate(i, offered[i], reached[i], accepted[i]) for i in sorted(offered))


def _checked(requests: Iterable[Request]) -> Iterator[tuple[int, int]]:
    for window in windows_of(requests):
        if window.accepted is not None:
            drafted = min(window.drafted, _LONGEST_WINDOW)
            yield drafted, min(window.accepted, drafted)


def _rate(position: int, offered: int, reached: int, accepted: int) -> PositionRate:
    low, high = wilson(accepted, offered)
    if_reached = accepted / reached if reached else None
    return PositionRate(position, offered, reached, accepted, accepted / offered, low, high, if_reached)


def frequent_pairs(corrections: Iterable[Correction]) -> tuple[Pair, ...]:
    """Every draft -> dense pair, the most frequent first."""
    margins: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for correction in corrections:
        margins[correction.draft, correction.dense].append(correction.margin)
    total = sum(map(len, margins.values()))
    pairs = [Pair(*texts, len(found), len(found) / total, mean(found)) for texts, found in margins.items()]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, pair.draft, pair.dense)))


def by_class(requests: Iterable[Request]) -> tuple[ClassCount, ...]:
    """One entry for each class that occurs, in the order of ``CLASSES``."""
    tokens: Counter[TokenClass] = Counter()
    corrected: Counter[TokenClass] = Counter()
    for request in requests:
        tokens.update(classify(token.own) for token in request.tokens)
        corrected.update(correction.token_class for correction in request.corrections)
    total = corrected.total()
    return tuple(
        ClassCount(name, corrected[name], corrected[name] / total if total else 0.0, tokens[name],
                   corrected[name] / tokens[name])
        for name in CLASSES if tokens[name]
    )  # fmt: skip


def advance_histogram(requests: Iterable[Request]) -> tuple[tuple[int, int], ...]:
    """(advance, how many checks had it), by advance."""
    counts = Counter(window.committed for window in windows_of(requests) if window.accepted is not None)
    return tuple(sorted(counts.items()))


def density_series(requests: Iterable[Request], latest: int = LATEST) -> tuple[DensityPoint, ...]:
    """Effective density after each window of ``requests``, one after another; ``recent`` is of ``latest`` windows."""
    points: list[DensityPoint] = []
    work, tokens = [0.0], [0]  # running sums
    for window in windows_of(requests):
        work.append(work[-1] + window.work)
        tokens.append(tokens[-1] + window.committed)
        first = max(0, len(work) - 1 - latest)
        if tokens[-1] > tokens[first]:
            recent = (work[-1] - work[first]) / (tokens[-1] - tokens[first])
            points.append(DensityPoint(tokens[-1], work[-1] / tokens[-1], recent))
    return tuple(points)


def mean_activity(requests: Iterable[Request]) -> tuple[float, ...]:
    """By layer, the mean over all checks that recorded their activity."""
    recorded = [window.activity for window in windows_of(requests) if window.activity]
    layers = max(map(len, recorded), default=0)
    alike = [activity for activity in recorded if len(activity) == layers]
    return tuple(sum(values) / len(alike) for values in zip(*alike, strict=True))


def windows_of(requests: Iterable[Request]) -> Iterator[Window]:
    """All windows, in order."""
    for request in requests:
        yield from request.windows


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
