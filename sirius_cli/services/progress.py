"""How a long service tells its caller where it is. Services never print."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """``stage`` is the sentence to show. ``done`` and ``total`` are bytes, or what ``unit`` says.

    A ``total`` of None is not known; ``remaining`` are the seconds to the end, as far as can be told.

    What is ``fleeting`` is worth showing while it lasts, and not worth a line in a log.
    """

    stage: str
    done: int = 0
    total: int | None = None
    fleeting: bool = False
    unit: str = ""
    remaining: float | None = None


Progress = Callable[[ProgressEvent], None]


def loading(name: str) -> ProgressEvent:
    """The model called ``name`` is read into memory."""
    return ProgressEvent(f"Loading {name}", fleeting=True)


def silent(event: ProgressEvent) -> None:
    """A ``Progress`` that shows nothing."""


def throttled(report: Progress, interval: float = 0.1, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Pass on every new stage and every end, and of what lies between one event in ``interval`` seconds."""
    last: ProgressEvent | None = None
    told_at = 0.0

    def pass_on(event: ProgressEvent) -> None:
        nonlocal last, told_at
        new = last is None or event.stage != last.stage or event.done == event.total
        if new or clock() - told_at >= interval:
            last, told_at = event, clock()
            report(event)

    return pass_on
