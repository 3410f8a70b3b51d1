"""A text that only says which drafts it would accept, and a clock that only says what steps cost."""

import random
from collections.abc import Callable
from itertools import pairwise

from sirius_cli.engine.planning.costs import TimedCosts
from sirius_cli.engine.planning.planner import Plan, Planner
from sirius_cli.engine.planning.rates import Memory

Rate = Callable[[int], float]
"""How likely a draft at this place of the text is accepted."""
CHECKS = {1: 1.0, 2: 1.03, 4: 1.06, 8: 1.1, 16: 1.2, 32: 2.12}  # dense steps, as measured on a CPU
_STEP = 0.01  # seconds
_PAUSE = 50.0  # dense steps that the process stands still now and then


def check(tokens: int) -> float:
    """Dense steps of a check, linear between the lengths measured."""
    if tokens in CHECKS:
        return CHECKS[tokens]
    below, above = next(pair for pair in pairwise(CHECKS) if pair[0] < tokens < pair[1])
    return CHECKS[below] + (CHECKS[above] - CHECKS[below]) * (tokens - below) / (above - below)


class Text:
    """Accepts drafts at random, the same ones for the same ``seed`` and sizes. ``spent`` are dense steps so far."""

    def __init__(self, rate: Rate, draft: float, seed: int) -> None:
        self._rate, self._draft, self._random = rate, draft, random.Random(seed)
        self.length, self.spent = 0, 0.0

    def window(self, size: int) -> int:
        """Draft and check ``size`` tokens. Gives how many drafts were accepted."""
        self.spent += (size - 1) * self._draft + check(size)
        accepted = 0
        while accepted < size - 1 and self._random.random() < self._rate(self.length + accepted):
            accepted += 1
        self.length += accepted + 1
        return accepted


def fixed(size: int, tokens: int, rate: Rate, draft: float, seed: int) -> float:
    """Dense steps for ``tokens`` in windows of one size."""
    text = Text(rate, draft, seed)
    while text.length < tokens:
        text.window(min(size, tokens - text.length))
    return text.spent


def planned(
    tokens: int, rate: Rate, draft: float, seed: int, memory: Memory | None = None
) -> tuple[float, list[tuple[int, Plan]]]:
    """Dense steps for ``tokens`` as planned by a clock that is 5 % slow at times and once in a while far off.

    Also what was planned, and where in the text.
    """
    text, noise = Text(rate, draft, seed), random.Random(seed)
    costs = TimedCosts(0.5)
    planner, plans = Planner(costs, memory or Memory()), []

    def seconds(steps: float) -> float:
        late = _PAUSE if noise.random() < 0.005 else 0.05 * abs(noise.gauss(0, 1))
        return _STEP * steps * (1 + late)

    while text.length < tokens:
        plans.append((text.length, planner.next()))
        size = min(plans[-1][1].size, tokens - text.length)
        for _ in range(size - 1):
            costs.drafted(seconds(draft))
        costs.checked(size, seconds(check(size)))
        accepted = text.window(size)
        planner.judged(size - 1, accepted, accepted + 1)
    return text.spent, plans
