"""How long the windows of a loop's rows are: as the profile says, or as planned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.engine.drafts.policy import StepCost
from sirius_cli.engine.planning.costs import Costs, ReadCosts, TimedCosts
from sirius_cli.engine.planning.planner import Plan, Planner
from sirius_cli.engine.planning.rates import Memory
from sirius_cli.engine.planning.sizes import LONGEST
from sirius_cli.engine.row import Row

USUAL_WINDOW: Final = 16


class Pace(Protocol):
    """Sizes windows, and is told what became of them."""

    @property
    def plans(self) -> bool:
        """Whether sizes follow from what it is told."""
        ...

    def next(self, row: Row) -> Plan:
        """The next window of ``row``; a plan without a reason goes without saying."""
        ...

    def drafted(self, seconds: float) -> None:
        """A draft step took so long."""

    def judged(self, row: Row, drafted: int, accepted: int, committed: int, looked_up: int = 0) -> None:
        """Of the window of ``row`` a check kept ``accepted`` of ``drafted`` tokens, and ``committed`` became final.

        The last ``looked_up`` drafted ones were found in the text.
        """

    def checked(self, tokens: int, seconds: float) -> None:
        """A check of ``tokens``, with all that settles it, took so long."""


class FixedPace:
    """One size for all."""

    plans = False

    def __init__(self, size: int, reason: str = "") -> None:
        self.size = size
        self._plan = Plan(size, reason)

    def next(self, row: Row) -> Plan:
        """The one size."""
        return self._plan

    def drafted(self, seconds: float) -> None:
        """Nothing is learnt."""

    def judged(self, row: Row, drafted: int, accepted: int, committed: int, looked_up: int = 0) -> None:
        """Nothing is learnt."""

    def checked(self, tokens: int, seconds: float) -> None:
        """Nothing is learnt."""


class PlannedPace:
    """A planner for each row. ``memory`` None: a row begins as if it were the first."""

    plans = True

    def __init__(self, costs: Costs, memory: Memory | None) -> None:
        self._costs, self._memory = costs, memory
        self._planners: dict[Row, Planner] = {}

    def next(self, row: Row) -> Plan:
        """What the row's planner says."""
        if row not in self._planners:
            self._planners[row] = Planner(self._costs, self._memory or Memory())
        return self._planners[row].next()

    def drafted(self, seconds: float) -> None:
        """Tell the costs."""
        self._costs.drafted(seconds)

    def judged(self, row: Row, drafted: int, accepted: int, committed: int, looked_up: int = 0) -> None:
        """Tell the row's planner, which goes when the row does."""
        self._planners[row].judged(drafted, accepted, committed, looked_up)
        if not row.live:
            del self._planners[row]

    def checked(self, tokens: int, seconds: float) -> None:
        """Tell the costs."""
        self._costs.checked(tokens, seconds)


@dataclass(slots=True)
class Experience:
    """What answers by one profile leave to the next: costs and acceptance."""

    costs: TimedCosts
    memory: Memory = field(default_factory=Memory)


class Experiences:
    """Of every profile that an engine, or a twin of it, has answered by."""

    def __init__(self) -> None:
        self._known: dict[tuple[DraftSpec, CorrectionSpec], Experience] = {}

    def pace(self, profile: Profile, cost: StepCost | None, *, timed: bool) -> Pace:
        """The pace of a loop by ``profile``, a draft step of which costs ``cost`` on a text alone; None: no draft.

        What ``timed`` is not, and what is planned for reads, is planned by bytes alone and begins without memory: then
        an answer depends on nothing but its prompt.
        """
        window = profile.correction.window
        if window != "auto":
            return FixedPace(window)
        if cost is None:
            return FixedPace(USUAL_WINDOW, "look-ups alone have one size") if profile.looks_up else FixedPace(1)
        if not timed or profile.correction.plan_for == "read":
            return PlannedPace(ReadCosts(cost.read), None)
        key = (profile.draft, profile.correction)
        known = self._known.setdefault(key, Experience(TimedCosts(cost.read)))
        return PlannedPace(known.costs, known.memory)


def tree_pace(profile: Profile, *, others: bool) -> FixedPace:
    """The pace of windows that are trees. Its plan says what trees leave out of what else there would be.

    ``others``: of several texts one is answered after the other.
    """
    window = profile.correction.window
    left_out = ["have one size"] if window == "auto" else []
    left_out += ["take one text at a time"] if others else []
    left_out += ["compute all neurons of a fine draft"] if profile.draft.method == "fine" else []
    left_out += ["look up at their root only"] if profile.looks_up else []
    reason = f"trees {_listed(left_out)}" if left_out else ""
    return FixedPace(USUAL_WINDOW if window == "auto" else window, reason)


def tree_slots(profile: Profile) -> int:
    """How many slots of a cache a tree takes behind a text, beyond those of a chain as deep."""
    window = profile.correction.window
    return ((USUAL_WINDOW if window == "auto" else window) - 1) * (profile.draft.tree_width - 1)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def longest_window(profile: Profile) -> int:
    """The most tokens of a window, drafted ones and the newest committed."""
    window = profile.correction.window
    return LONGEST if window == "auto" else window
