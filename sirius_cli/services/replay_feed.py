"""A recorded run, told as if it happened now."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from sirius_cli.core.events import Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.safe_text import one_line
from sirius_cli.core.trace import TraceHeader, check_speed, due_times, read_trace
from sirius_cli.services.feed import FeedItem, Happened, Problem, Question, Ready


class ReplayFeed:
    """A :class:`~sirius_cli.services.feed.Feed` over the trace at ``path``, ``speed`` times as fast (``inf``: at once).

    The answers of the trace are numbered in their order. A trace does not tell context and memory, which are 0.

    Raises:
        UsageError: if ``speed`` is not positive.
        ModelError: if ``path`` is no trace that this program reads.
    """

    def __init__(self, path: Path, speed: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        check_speed(speed)
        self._trace = read_trace(path)
        self._speed = speed
        self._clock = clock
        self._numbers = count(1)
        self._script: deque[tuple[float, FeedItem]] = deque()
        self._said: deque[FeedItem] = deque()
        self._open: dict[int, tuple[int, float]] = {}
        self._began = 0.0
        self._held: float | None = None

    @property
    def header(self) -> TraceHeader:
        """What was recorded."""
        return self._trace.header

    @property
    def paused(self) -> bool:
        """Whether time stands still."""
        return self._held is not None

    @property
    def ended(self) -> bool:
        """Whether everything has been drained."""
        return not self._script and not self._said

    def start(self) -> None:
        """Begin the replay, or begin it again."""
        self._began, self._held = self._clock(), None
        self._open.clear()
        self._script = deque(self._items())

    def pause(self, paused: bool = True) -> None:
        """Let time stand still, or go on."""
        if paused and self._held is None:
            self._held = self._elapsed()
        elif not paused and self._held is not None:
            self._began, self._held = self._clock() - self._held, None

    def ask(self, question: Question) -> int:
        """A recording answers nothing: gives a number whose only item is a :class:`Problem`."""
        number = next(self._numbers)
        self._said.append(Problem(number, "a recording takes no questions", "leave out --replay to ask"))
        return number

    def cancel(self) -> None:
        """End the replay, and with it the answer in the making."""
        self._script.clear()
        for number, (row, at) in self._open.items():
            self._said.append(Happened(number, Finished(row, at, "cancelled", "")))
        self._open.clear()

    def drain(self) -> Sequence[FeedItem]:
        """What is due by now."""
        items = list(self._said)
        self._said.clear()
        elapsed = self._elapsed()
        while self._script and self._script[0][0] <= elapsed:
            item = self._script.popleft()[1]
            self._note(item)
            items.append(item)
        return items

    def close(self) -> None:
        """Nothing has to end."""
        self._script.clear()

    def _elapsed(self) -> float:
        return self._clock() - self._began if self._held is None else self._held

    def _note(self, item: FeedItem) -> None:
        """Remember the row and the time of every answer that goes on."""
        if not isinstance(item, Happened) or isinstance(item.event, Loaded):
            return
        self._open[item.question] = item.event.row, item.event.at
        if isinstance(item.event, Finished):
            del self._open[item.question]

    def _items(self) -> Iterator[tuple[float, FeedItem]]:
        """What will happen, each with the second when it is due."""
        events, numbers, due = self._trace.events, dict[int, int](), 0.0
        if not events or not isinstance(events[0], Loaded):
            header = self._trace.header
            yield due, Ready(Loaded(header.model, header.device, "", 0, 0.0, {}), 0, 0)
        for event, at in zip(events, due_times(events), strict=True):
            due = 0.0 if math.isinf(self._speed) else at / self._speed
            yield due, self._item(event, numbers)
        for problem in self._faults(list(numbers.values())):
            yield due, problem

    def _item(self, event: StepEvent, numbers: dict[int, int]) -> FeedItem:
        """``numbers`` are the questions under way, by row; the item of ``event`` in one of them."""
        if isinstance(event, Loaded):
            return Ready(event, 0, 0)
        if isinstance(event, Prefilled) or event.row not in numbers:
            numbers[event.row] = next(self._numbers)
        number = numbers[event.row]
        if isinstance(event, Finished):
            del numbers[event.row]
        return Happened(number, event)

    def _faults(self, unfinished: Sequence[int]) -> Iterator[Problem]:
        damage = self._trace.damage
        if damage is not None:
            yield Problem(unfinished[0] if unfinished else None, one_line(damage), "")
        for number in unfinished[1:] if damage else unfinished:
            yield Problem(number, "the recording ends before the answer does", "")
