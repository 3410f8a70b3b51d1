"""What a window gains: committed tokens a second from the costs of steps and from how drafted tokens are accepted.

A window of ``K`` takes ``K - 1`` draft steps and a check of ``K`` tokens. If ``s_i`` is the probability that the i-th
drafted token and all before it are accepted, it commits ``1 + s_1 + … + s_(K-1)`` tokens on average: the accepted ones
and the check's own. That no draft ends early, by a stop or by its own doubt, is assumed.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

_LAST = 4  # positions that stand for those beyond


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Milliseconds of a dense step, of a draft step, and of checks by their length in tokens.

    Where only ratios are wanted, any other unit does.
    """

    dense: float
    draft: float
    checks: Mapping[int, float]

    @property
    def longest(self) -> int:
        """The longest check that was measured."""
        return max(self.checks)

    def check(self, tokens: int) -> float:
        """A check of ``tokens``, linear between two measured lengths.

        Raises:
            ValueError: outside of what was measured.
        """
        lengths = sorted(self.checks)
        if not lengths[0] <= tokens <= lengths[-1]:
            raise ValueError(f"no check of {tokens} tokens among {lengths}")
        above = lengths[bisect_left(lengths, tokens)]
        if above == tokens:
            return self.checks[tokens]
        below = lengths[bisect_left(lengths, tokens) - 1]
        before, after = self.checks[below], self.checks[above]
        return before + (after - before) * (tokens - below) / (above - below)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``kept[i]`` is the probability that the drafted token at position ``i + 1`` is accepted once all before it were.

    ``tail`` is that of every later position.
    """

    kept: tuple[float, ...]
    tail: float

    def advance(self, window: int) -> float:
        """Tokens that a check of a window commits on average, from 1 to ``window``."""
        beyond = max(0, window - 1 - len(self.kept))
        survival: Iterable[float] = accumulate((*self.kept[: window - 1], *(self.tail,) * beyond), mul)
        return 1.0 + sum(survival)


@dataclass(frozen=True, slots=True)
class PlanPoint:
    """What one window size comes to. ``speedup`` is over dense decoding; ``extrapolated`` rests on ``tail``."""

    window: int
    advance: float
    milliseconds: float
    tokens_per_second: float
    speedup: float
    extrapolated: bool


def acceptance_of(rates: Sequence[tuple[int, int]]) -> Acceptance:
    """From (accepted, reached) of each position; what lies behind one that was never reached is not used.

    Raises:
        ValueError: if the first was never reached.
    """
    known = list(rates[: next((i for i, (_, reached) in enumerate(rates) if not reached), len(rates))])
    if not known:
        raise ValueError("no drafted token was ever judged")
    last = known[-_LAST:]
    tail = sum(accepted for accepted, _ in last) / sum(reached for _, reached in last)
    return Acceptance(tuple(accepted / reached for accepted, reached in known), tail)


def predict(costs: StepCosts, acceptance: Acceptance, windows: Iterable[int]) -> tuple[PlanPoint, ...]:
    """A point for each window size."""
    return tuple(_point(costs, acceptance, window) for window in windows)


def best(points: Iterable[PlanPoint]) -> PlanPoint:
    """The fastest; of equals the smallest window."""
    return max(points, key=lambda point: (point.speedup, -point.window))


def replayed(windows: Iterable[tuple[int, int]], draft: float, check: Callable[[int], float]) -> float:
    """Cost per committed token of (drafted, committed) windows, whatever ``draft`` and ``check`` by length count.

    Raises:
        ValueError: if nothing was committed.
    """
    cost, tokens = 0.0, 0
    for drafted, committed in windows:
        cost += drafted * draft + check(drafted + 1)
        tokens += committed
    if not tokens:
        raise ValueError("nothing was committed")
    return cost / tokens


def _point(costs: StepCosts, acceptance: Acceptance, window: int) -> PlanPoint:
    advance = acceptance.advance(window)
    milliseconds = (window - 1) * costs.draft + costs.check(window)
    return PlanPoint(
        window=window,
        advance=advance,
        milliseconds=milliseconds,
        tokens_per_second=1000 * advance / milliseconds,
        speedup=advance * costs.dense / milliseconds,
        extrapolated=window - 1 > len(acceptance.kept),
    )
