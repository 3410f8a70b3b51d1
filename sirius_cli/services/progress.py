"""How a long service tells its caller where it is. Services never print."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """``stage`` is the sentence to show. ``done`` and ``total`` are bytes; a ``total`` of None is not known."""

    stage: str
    done: int = 0
    total: int | None = None


Progress = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """A ``Progress`` that shows nothing."""
