"""How far the checks of a recorded run advanced: what a prediction takes from a trace."""

from dataclasses import dataclass
from pathlib import Path

from sirius_cli.core.profile import Profile
from sirius_cli.errors import ModelError
from sirius_cli.services.inspection import reading
from sirius_cli.services.inspection.aggregates import PositionRate, acceptance_by_position, windows_of
from sirius_cli.services.inspection.decisions import Decision, decisions
from sirius_cli.services.inspection.facts import Inspection, Window, metrics_of

_LONGEST_WINDOW = 256  # tokens, the check's own included
_HOW = "record one with: sirius chat --trace FILE"


@dataclass(frozen=True, slots=True)
class RecordedAdvance:
    """The checked windows of a run, in order, how its drafted tokens fared by position, and what was planned."""

    name: str
    model: str
    profile: Profile
    windows: tuple[Window, ...]
    rates: tuple[PositionRate, ...]
    effective_density: float | None
    problems: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def check_lengths(self) -> tuple[int, ...]:
        """The lengths of its checks, ascending."""
        return tuple(sorted({window.drafted + 1 for window in self.windows}))

    @property
    def committed(self) -> int:
        """Tokens that the windows committed."""
        return sum(window.committed for window in self.windows)


def read_advance(spec: str | None) -> RecordedAdvance:
    """The advance of a trace, of a folder of them, or of the newest.

    Raises:
        ModelError: if there is none, it cannot be read, it has look-ups or trees, or no window of it was checked.
        UsageError: if there is no newest.
    """
    path = reading.find(spec)
    return _advance(path, reading.read(path))


def _advance(path: Path, found: Inspection) -> RecordedAdvance:
    windows = tuple(w for w in windows_of(found.requests) if w.accepted is not None and w.committed and w.drafted >= 0)
    profiles = {run.header.profile.draft: run.header.profile for run in found.runs}
    if len(profiles) > 1:
        raise ModelError(f"the traces in {path} were drafted in different ways", "name one of them")
    ((draft, profile),) = profiles.items()
    if draft.lookup:
        raise ModelError(
            f"tokens of {path} were looked up, which no step's cost can predict", f"{_HOW} --draft-lookup 0"
        )
    if profile.trees:
        raise ModelError(
            f"windows of {path} are trees, whose acceptance says nothing of chains", f"{_HOW} --tree-width 1"
        )
    if draft.native_dense or not any(window.drafted for window in windows):
        raise ModelError(f"no window of {path} was drafted and checked", _HOW)
    if (longest := max(window.drafted for window in windows)) >= _LONGEST_WINDOW:
        raise ModelError(f"{path} has a window of {longest} drafted tokens, a profile allows no such window")
    return RecordedAdvance(
        name=", ".join(run.name for run in found.runs),
        model=", ".join(dict.fromkeys(run.header.model for run in found.runs)),
        profile=profile,
        windows=windows,
        rates=acceptance_by_position(found.requests),
        effective_density=metrics_of(found.requests).effective_density,
        problems=found.problems,
        decisions=decisions(found.requests),
    )
