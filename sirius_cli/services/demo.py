"""A conversation that shows what sirius does, with the built-in model and without anybody at the keys."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import repeat
from typing import Final

from sirius_cli.errors import UsageError

MAX_NEW_TOKENS: Final = 96
PROMPTS: Final = (
    "Is 17 a prime number? Think step by step.",
    "List the days of the week.",
    "Write the numbers from 1 to 20.",
)
"""Many corrections, few, hardly any: chosen by trying on the built-in model."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that the demo takes for each thing, at speed 1."""

    before_prompt: float = 1.5
    key: float = 0.04
    before_sending: float = 0.5
    to_read: float = 4.0

    def times(self, speed: float) -> "Pace":
        """This pace, ``speed`` times as fast.

        Raises:
            UsageError: if ``speed`` is not above 0.
        """
        if not speed > 0:
            raise UsageError(f"speed cannot be {speed}", "give a number above 0; inf waits for nothing")
        return Pace(*(seconds / speed for seconds in astuple(self)))


def rounds(*, loop: bool) -> Iterator[tuple[str, ...]]:
    """Conversations of the demo, as the prompts of each: one, or one after the other for ever."""
    return repeat(PROMPTS) if loop else iter((PROMPTS,))
