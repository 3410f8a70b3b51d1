"""What a planner decided in recorded runs, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sirius_cli.core.events import Committed, Planned, StepEvent
from sirius_cli.services.inspection.aggregates import mean
from sirius_cli.services.inspection.facts import Request


@dataclass(frozen=True, slots=True)
class Decision:
    """``windows`` of ``size`` tokens were run for one ``reason``, after ``times`` decisions; ``committed`` is theirs.

    ``draft``, ``accepted`` and ``speedup`` are means of what the decisions reckoned with; None where none did.
    """

    size: int
    reason: str
    times: int
    windows: int
    committed: int
    draft: float | None
    accepted: float | None
    speedup: float | None


def decisions(requests: Iterable[Request]) -> tuple[Decision, ...]:
    """By size and reason, that of the most tokens first."""
    found: dict[tuple[int, str], list[tuple[Planned, list[Committed]]]] = {}
    for request in requests:
        for plan, commits in _stretches(request.events):
            found.setdefault((plan.size, plan.reason), []).append((plan, commits))
    made = [_decision(size, reason, stretches) for (size, reason), stretches in found.items()]
    return tuple(sorted(made, key=lambda one: (-one.committed, one.size, one.reason)))


def _stretches(events: Iterable[StepEvent]) -> list[tuple[Planned, list[Committed]]]:
    """Each decision with what was committed until the next."""
    found: list[tuple[Planned, list[Committed]]] = []
    for event in events:
        if isinstance(event, Planned):
            found.append((event, []))
        elif isinstance(event, Committed) and found:
            found[-1][1].append(event)
    return found


def _decision(size: int, reason: str, stretches: list[tuple[Planned, list[Committed]]]) -> Decision:
    plans = [plan for plan, _ in stretches]
    commits = [commit for _, commits in stretches for commit in commits]
    return Decision(
        size=size,
        reason=reason,
        times=len(plans),
        windows=len(commits),
        committed=sum(len(commit.tokens) for commit in commits),
        draft=mean(plan.draft for plan in plans),
        accepted=mean(plan.accepted for plan in plans),
        speedup=mean(plan.speedup for plan in plans),
    )
