"""How likely the next drafted token is to be accepted, from those of this text so far."""

import math
from typing import Final

from sirius_cli.core.windows import Acceptance
from sirius_cli.engine.planning.sizes import LONGEST

_HALF_LIFE: Final = 128  # judged tokens after which one counts half
_START: Final = 4.0  # judged tokens that the expectation at the start is worth
_POSITION: Final = 8.0  # judged tokens at a position that count as much as the rate of all positions
_KEPT: Final = 4.0  # judged tokens that remain of what was known when the text turned out to have changed
_ALARM: Final = 3.0  # nats: twenty times likelier that it has changed
_CHANGE: Final = 3  # a change makes runs of accepted tokens so many times shorter, or longer


class Memory:
    """The rate of all texts so far, which the next one begins with: the last hundreds of judged tokens."""

    _HALF_LIFE: Final = 512

    def __init__(self) -> None:
        self.accepted, self.judged = 3.2, 4.0

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return self.accepted / self.judged

    def add(self, accepted: int, judged: int) -> None:
        """``accepted`` of ``judged`` more tokens were."""
        fade = 0.5 ** (judged / self._HALF_LIFE)
        self.accepted = self.accepted * fade + accepted
        self.judged = self.judged * fade + judged


class Rates:
    """The acceptance of one text. A window that was accepted whole tells nothing of what would have followed.

    Older tokens count less, and little once the newest ones could hardly come about by the rate so far: texts change
    in the middle, from code to prose.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._accepted, self._judged = _START * memory.rate, _START
        self._worse, self._better = _Change(_CHANGE), _Change(1 / _CHANGE)
        self._by_position = [(0.0, 0.0)] * (LONGEST - 1)

    @property
    def rate(self) -> float:
        """The probability that a drafted token is accepted once all before it were; above 0, below 1."""
        return min(max(self._accepted / self._judged, 0.001), 0.999)

    def acceptance(self) -> Acceptance:
        """By position in the window. What is known of one leans on what is known of all."""
        rate = self.rate
        kept = tuple((a + _POSITION * rate) / (n + _POSITION) for a, n in self._by_position)
        return Acceptance(kept, rate)

    def judged(self, drafted: int, accepted: int) -> None:
        """A check kept ``accepted`` of ``drafted`` tokens; it judged the first refused one, and none behind it."""
        count = min(accepted + 1, drafted)
        self._memory.add(accepted, count)
        changed = self._notice(accepted, count)
        self._fade(0.5 ** (count / _HALF_LIFE))
        self._accepted += accepted
        self._judged += count
        for place in range(count):
            a, n = self._by_position[place]
            self._by_position[place] = (a + (place < accepted), n + 1)
        if changed:
            self._start_anew(changed)

    def doubt(self) -> None:
        """No token will be judged for a while: keep little of what is known."""
        if self._judged > _KEPT:
            self._fade(_KEPT / self._judged)

    def _notice(self, accepted: int, count: int) -> "_Change | None":
        """The kind of change that the newest tokens tell of."""
        for change in (self._worse, self._better):
            change.add(self.rate, accepted, count - accepted)
            if change.alarm:
                return change
        return None

    def _start_anew(self, change: "_Change") -> None:
        """The tokens since ``change`` began, and a little of those before."""
        rate = self.rate
        self._accepted, self._judged = _KEPT * rate + change.accepted, _KEPT + change.accepted + change.refused
        self._by_position = [(0.0, 0.0)] * len(self._by_position)
        self._worse, self._better = _Change(_CHANGE), _Change(1 / _CHANGE)

    def _fade(self, factor: float) -> None:
        self._accepted *= factor
        self._judged *= factor
        self._by_position = [(a * factor, n * factor) for a, n in self._by_position]


class _Change:
    """A cumulative sum (Page, 1954): how much likelier the newest tokens are at ``rate ** power``, in nats."""

    def __init__(self, power: float) -> None:
        self._power = power
        self._clear()

    @property
    def alarm(self) -> bool:
        return self._nats >= _ALARM

    def add(self, rate: float, accepted: int, refused: int) -> None:
        changed = rate**self._power
        self._nats += accepted * math.log(changed / rate) + refused * math.log((1 - changed) / (1 - rate))
        self.accepted += accepted
        self.refused += refused
        if self._nats <= 0:
            self._clear()

    def _clear(self) -> None:
        self._nats, self.accepted, self.refused = 0.0, 0, 0
