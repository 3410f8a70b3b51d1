"""One thing that every repetition of a measurement runs once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sirius_cli.core.statistics import Summary, summarise

Sample = TypeVar("Sample")


@dataclass(slots=True, kw_only=True)
class Case(Generic[Sample]):
    """``run`` measures once; ``samples`` are what was kept, ``peak_bytes`` the most memory held meanwhile."""

    name: str
    run: Callable[[], Sample]
    samples: list[Sample] = field(default_factory=list)
    peak_bytes: int = 0

    def measure(self, watch_memory: Callable[[], Callable[[], int]], *, keep: bool) -> None:
        """Run once. A warm-up is not kept."""
        peak = watch_memory()
        sample = self.run()
        if keep:
            self.samples.append(sample)
            self.peak_bytes = max(self.peak_bytes, peak())


@dataclass(frozen=True, slots=True)
class Floor:
    """The time of a plain read of ``read_bytes``, and that over the time measured (medians over repetitions)."""

    read_bytes: int
    milliseconds: float
    share: float


def floor_of(read_bytes: float, seconds: Sequence[float], reads: Sequence[float]) -> Floor:
    """``reads`` are the bytes per second that each repetition's plain read reached."""
    floors = [read_bytes / read for read in reads]
    shares = [floor / second for floor, second in zip(floors, seconds, strict=True)]
    return Floor(round(read_bytes), 1000 * summarise(floors).median, summarise(shares).median)


def ratios(seconds: Sequence[float], dense: Sequence[float] | None) -> Summary | None:
    """Repetition by repetition, the time over the dense time."""
    return summarise([a / b for a, b in zip(seconds, dense, strict=True)]) if dense else None
