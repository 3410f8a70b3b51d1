"""How often to draw, where the engine needs the core that drawing takes."""

from collections.abc import Callable
from time import monotonic, process_time

SHARE = 0.05
"""Of one core, while an answer is made: a step of the engine ends when the slowest of its threads does, so what drawing
takes from one core is lost on all (docs/results/dashboard.md)."""
_MOST_CREDIT_S = 0.04
_LONGEST_S = 0.25
"""However slow the machine, something is drawn this often."""


class Pace:
    """Keeps the CPU time of this process below ``share`` of one core, by telling when drawing has to wait.

    Time that is not used is saved up, but only for a moment. ``clock`` and ``cpu`` give seconds.
    """

    def __init__(
        self,
        share: float = SHARE,
        *,
        clock: Callable[[], float] = monotonic,
        cpu: Callable[[], float] = process_time,
    ) -> None:
        self._share = share
        self._clock, self._cpu = clock, cpu
        self._at, self._used = clock(), cpu()
        self._drawn_at = self._at
        self._credit = _MOST_CREDIT_S

    def is_due(self) -> bool:
        """Whether to draw now; if so, that counts as drawn."""
        now, used = self._clock(), self._cpu()
        earned = self._share * (now - self._at) - (used - self._used)
        self._credit = max(-self._share * _LONGEST_S, min(_MOST_CREDIT_S, self._credit + earned))
        self._at, self._used = now, used
        due = self._credit >= 0 or now - self._drawn_at >= _LONGEST_S
        if due:
            self._drawn_at = now
        return due
