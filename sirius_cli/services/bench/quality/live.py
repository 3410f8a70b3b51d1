"""Where a benchmark stands while it runs: a fold over samples as they come."""

import math
from dataclasses import dataclass, field
from time import monotonic

from sirius_cli.core.metrics import Tally, combine
from sirius_cli.services.bench.quality.samples import Sample, Written


@dataclass(frozen=True, slots=True)
class Standing:
    """One method on one task. ``done`` of ``total`` requests are answered, ``known`` of them by an earlier call.

    ``score`` is the mean of what could be judged at once, ``stderr`` its standard error; ``rate`` is in tokens per
    second of all answers side by side; ``remaining`` estimates the seconds to the last request of this method.
    """

    task: str
    method: str
    done: int
    total: int
    known: int
    score: float | None = None
    stderr: float | None = None
    density: float | None = None
    aal: float | None = None
    rate: float | None = None
    remaining: float | None = None


@dataclass(slots=True)
class Live:
    """Takes samples of one method on one task; ``total`` is how many there will be, as far as is known."""

    task: str
    method: str
    total: int = 0
    _known: int = 0
    _scores: list[float] = field(default_factory=list)
    _tallies: list[Tally] = field(default_factory=list)
    _began: float = field(default_factory=monotonic)
    _made: int = 0
    _tokens: int = 0

    def add(self, sample: Sample, score: float | None, *, known: bool) -> Standing:
        """Take the next sample, and say where things stand."""
        if score is not None:
            self._scores.append(score)
        if isinstance(sample, Written):
            self._tallies.append(sample.tally)
        if known:
            self._known += 1
        else:
            self._made += 1
            self._tokens += len(sample.token_ids) if isinstance(sample, Written) else 0
        return self.standing()

    def standing(self) -> Standing:
        """Where things stand now."""
        metrics = combine(self._tallies)
        elapsed = monotonic() - self._began
        left = self.total - self._known - self._made
        return Standing(
            self.task, self.method, self._known + self._made, self.total, self._known,
            score=sum(self._scores) / len(self._scores) if self._scores else None,
            stderr=_stderr(self._scores),
            density=metrics.effective_density,
            aal=metrics.aal,
            rate=self._tokens / elapsed if self._tokens and elapsed > 0 else None,
            remaining=elapsed / self._made * left if self._made else None,
        )  # fmt: skip


def _stderr(values: list[float]) -> float | None:
    count = len(values)
    if count < 2:
        return None
    mean = sum(values) / count
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
