"""Ctrl-C: at once while loading, between two events while answering."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed. Calling it asks that."""

    requested: bool = False

    def __call__(self) -> bool:
        return self.requested


@contextmanager
def at_once() -> Iterator[None]:
    """Leave the block with KeyboardInterrupt on Ctrl-C.

    Large imports turn the exception into another one or swallow it; the flag remembers.
    """
    interrupt = Interrupt()
    with _handled(interrupt, patience=0):
        try:
            yield
        except Exception as error:
            if interrupt.requested:
                raise KeyboardInterrupt from error
            raise
    if interrupt.requested:
        raise KeyboardInterrupt


@contextmanager
def between_events() -> Iterator[Interrupt]:
    """Give a flag that the first Ctrl-C sets; the second one raises KeyboardInterrupt.

    The engine's caches are only consistent between two events, so the first is not raised.
    """
    interrupt = Interrupt()
    with _handled(interrupt, patience=1):
        yield interrupt


@contextmanager
def _handled(interrupt: Interrupt, *, patience: int) -> Iterator[None]:
    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal patience
        interrupt.requested = True
        patience -= 1
        if patience < 0:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
