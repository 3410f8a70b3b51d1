"""The next window of one text: the size that commits most tokens for what it costs, within what may be lost."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from sirius_cli.core.windows import Acceptance, PlanPoint, StepCosts, best, predict
from sirius_cli.engine.planning.costs import Costs
from sirius_cli.engine.planning.rates import Memory, Rates
from sirius_cli.engine.planning.sizes import SIZES

_ALLOWANCE: Final = 0.025  # dense steps that a text may lose for every committed token: 3 %, less what timing may err
_CALM: Final = 1.03  # another size must promise so much more than the present one
_RETURN: Final = 1.05  # drafting must promise so much over dense decoding before it begins again
_SHORTEST_PAUSE: Final = 4  # dense steps before drafting is tried again
_LONGEST_PAUSE: Final = 128
_PROBE: Final = 2  # tokens
_ALL: Final = Acceptance((), 1.0)  # where not even this pays, an accepted probe is no reason for the next


@dataclass(frozen=True, slots=True)
class Plan:
    """A window of ``size`` tokens, the check's own included; 1 is a dense step.

    ``draft`` is the cost of a draft step over that of a dense step, ``accepted`` the rate that is reckoned with,
    ``speedup`` what the window promises over dense decoding. None: not asked.
    """

    size: int
    reason: str
    draft: float | None = None
    accepted: float | None = None
    speedup: float | None = None


class Planner:
    """Plans window after window of a text; :meth:`judged` is called after each.

    Drafts are bets against dense decoding. ``credit``, in dense steps, is an allowance for every committed token, and
    what drafts have gained less what they have lost. A window that could lose more is not drafted, so a text begins
    densely. As far as the costs are right, ``n`` tokens take at most ``n`` dense steps and the allowance of ``n``.
    """

    def __init__(self, costs: Costs, memory: Memory) -> None:
        self._costs, self._rates = costs, Rates(memory)
        self.credit = 0.0
        self._drafting, self._size = True, 0  # the size last drafted while drafts paid
        self._pause, self._left = _SHORTEST_PAUSE, 0  # dense steps of a pause, and of this one
        self._dense = Plan(1, "")

    def next(self) -> Plan:
        """The plan of the next window."""
        if self._costs.wants_dense:
            return Plan(1, "times a dense step")
        if self._left > 0:
            self._left -= 1
            return self._dense
        return self._chosen(self._costs.steps())

    def judged(self, drafted: int, accepted: int, committed: int, looked_up: int = 0) -> None:
        """A check kept ``accepted`` of ``drafted`` tokens; with its own, ``committed`` became final.

        ``looked_up`` of the drafted ones took no step. They are part of the bet, but tell nothing of drafts.
        """
        self.credit += _ALLOWANCE * committed
        if drafted == 0:
            return
        self.credit += committed - 1 - _risk(self._costs.steps(), drafted + 1, drafted - looked_up)
        if looked_up:
            return
        self._rates.judged(drafted, accepted)
        if not self._drafting:
            self._learn_from_probe(whole=accepted == drafted)

    def _chosen(self, steps: StepCosts) -> Plan:
        points = predict(steps, self._rates.acceptance(), SIZES[1:])
        if best(points).speedup < (1.0 if self._drafting else _RETURN):
            return self._stop(steps) if self._drafting else self._probe(steps)
        paying = [point for point in points if point.speedup >= 1.0]
        within = [point for point in paying if _risk(steps, point.window) <= self.credit]
        if not within:
            return self._save(steps, paying[0].window)
        top = self._calm(within)
        self._drafting, self._size = True, top.window
        return self._plan(top.window, "promises most", steps, top.speedup)

    def _calm(self, points: list[PlanPoint]) -> PlanPoint:
        """The fastest, but the present size if that is about as good: both are estimates."""
        top = best(points)
        present = next((point for point in points if point.window == self._size), top)
        return top if top.speedup > _CALM * present.speedup else present

    def _stop(self, steps: StepCosts) -> Plan:
        self._drafting, self._pause = False, _SHORTEST_PAUSE
        self._rates.doubt()
        self._costs.doubt()
        return self._rest(self._pause, "drafts do not pay", steps)

    def _probe(self, steps: StepCosts) -> Plan:
        """A short draft tells whether the text has changed."""
        if _risk(steps, _PROBE) > self.credit:
            return self._save(steps, _PROBE)
        return self._plan(_PROBE, "probes", steps)

    def _learn_from_probe(self, *, whole: bool) -> None:
        steps = self._costs.steps()
        if whole and best(predict(steps, _ALL, SIZES[1:])).speedup >= _RETURN:
            self._pause = _SHORTEST_PAUSE
            return
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._rates.doubt()
        self._costs.doubt()
        self._rest(self._pause + 1, "drafts do not pay", steps)

    def _save(self, steps: StepCosts, size: int) -> Plan:
        """Until a window of ``size`` can be afforded."""
        missing = _risk(steps, size) - self.credit
        return self._rest(ceil(missing / _ALLOWANCE), "saves up for a draft", steps)

    def _rest(self, count: int, reason: str, steps: StepCosts) -> Plan:
        """The first of ``count`` dense steps, at least one."""
        self._left = max(0, count - 1)
        self._dense = self._plan(1, reason, steps)
        return self._dense

    def _plan(self, size: int, reason: str, steps: StepCosts, speedup: float | None = None) -> Plan:
        return Plan(size, reason, steps.draft / steps.dense, self._rates.rate, speedup)


def _risk(steps: StepCosts, size: int, drafts: int | None = None) -> float:
    """Dense steps that a window loses if all of its drafts are refused; ``drafts`` steps made them, or one each."""
    drafts = size - 1 if drafts is None else drafts
    return (drafts * steps.draft + steps.check(size)) / steps.dense - 1.0
