"""What steps cost: as timed lately, or by the weights that they read."""

from collections import deque
from statistics import median_low
from typing import Final, Protocol

from sirius_cli.core.windows import StepCosts
from sirius_cli.engine.planning.sizes import LONGEST

_LENGTHS: Final = (1, 2, 4, 8, 16, LONGEST)
_KEPT_CHECKS: Final = 9  # the median of so many follows the machine, and no single pause of the process counts
_KEPT_DRAFTS: Final = 15
_KEPT_IN_DOUBT: Final = 2
_STALE: Final = 512  # tokens; by then the text is longer and a dense step dearer


class Costs(Protocol):
    """What a plan takes for granted, and what it is told of the steps that follow."""

    @property
    def wants_dense(self) -> bool:
        """Whether a step without a draft would tell something new."""
        ...

    def steps(self) -> StepCosts:
        """The costs as they are known now."""
        ...

    def drafted(self, seconds: float) -> None:
        """A draft step took so long."""

    def checked(self, tokens: int, seconds: float) -> None:
        """A check of ``tokens``, with all that settles it, took so long."""

    def doubt(self) -> None:
        """Drafting stops by what is known: let a few new times overrule it."""


class ReadCosts:
    """Bytes of weights read, over those of a dense step: the same on every machine and in every run."""

    wants_dense = False

    def __init__(self, draft: float) -> None:
        self._steps = StepCosts(dense=1.0, draft=draft, checks={1: 1.0, LONGEST: 1.0})

    def steps(self) -> StepCosts:
        """A check reads all weights once, however many tokens it has."""
        return self._steps

    def drafted(self, seconds: float) -> None:
        """Time is not looked at."""

    def checked(self, tokens: int, seconds: float) -> None:
        """Time is not looked at."""

    def doubt(self) -> None:
        """There is nothing to doubt."""


class TimedCosts:
    """Milliseconds. Until a draft step was timed, it is taken to cost ``draft`` dense steps.

    A text that ends leaves them to the next one: the machine stays the same.
    """

    def __init__(self, draft: float) -> None:
        self._guess = draft
        self._drafts: deque[float] = deque(maxlen=_KEPT_DRAFTS)
        self._checks: dict[int, deque[float]] = {}
        self._since_dense = _STALE

    @property
    def wants_dense(self) -> bool:
        """All else is measured by the dense step, which a text that drafts never takes by itself."""
        return self._since_dense >= _STALE

    def drafted(self, seconds: float) -> None:
        """A draft step took so long."""
        self._drafts.append(1000 * seconds)

    def checked(self, tokens: int, seconds: float) -> None:
        """A check of up to ``LONGEST`` tokens took so long. It stands for the next length of the table."""
        length = next(length for length in _LENGTHS if tokens <= length)
        timed = self._checks.setdefault(length, deque(maxlen=_KEPT_CHECKS))
        timed.append(1000 * seconds * _expected(length) / _expected(tokens))
        self._since_dense = 0 if tokens == 1 else self._since_dense + tokens

    def doubt(self) -> None:
        """Keep little: a machine that was busy for a while must not look slow for ever, and a probe times one step."""
        for timed in (self._drafts, *self._checks.values()):
            while len(timed) > _KEPT_IN_DOUBT:
                timed.popleft()

    def steps(self) -> StepCosts:
        """The costs, from the first check on."""
        checks = self._fitted()
        draft = median_low(self._drafts) if self._drafts else self._guess * checks[1]
        return StepCosts(dense=checks[1], draft=draft, checks=checks)

    def _fitted(self) -> dict[int, float]:
        """A cost of every length, never less than that of a shorter one. Beyond what was timed it is hoped for.

        Nothing slows a check down but what comes between, so a longer one that was quicker tells the truth; and a slow
        one is not believed until it is seen twice, else it might never be tried again.
        """
        medians = {length: median_low(timed) for length, timed in self._checks.items()}
        first = min(medians)
        last = min(medians.values()) * _expected(1) / _expected(first)
        fitted: dict[int, float] = {}
        for before, length in zip((1, *_LENGTHS), _LENGTHS, strict=False):
            hoped = last * _expected(length) / _expected(before)
            seen = min((cost for at, cost in medians.items() if at >= length), default=hoped)
            believed = length in medians and (len(self._checks[length]) > 1 or length == first)
            last = max(last, seen if believed else min(seen, hoped))
            fitted[length] = last
        return fitted


def _expected(tokens: int) -> float:
    """A check of ``tokens`` over a dense step, where reading the weights is all that counts: a hope, until timed."""
    return 1 + (tokens - 1) / 64
