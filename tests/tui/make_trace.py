"""Writes tests/data/dashboard.jsonl, from which the dashboard's pictures are drawn: python tests/tui/make_trace.py

The text and its windows are made up; the times are those of a plausible run. The same bytes every time.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from fake_feed import LOADED, drafting, finish, prefill, window

from sirius_cli.core.events import StepEvent
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.trace import TraceHeader, TraceWriter

TRACE = Path(__file__).parents[1] / "data" / "dashboard.jsonl"
PROFILE = Profile(name="sirius", draft=DraftSpec(keep=0.5), correction=CorrectionSpec(window=8, confidence=0.0))
TEXT = """A train leaves at 14:20 and needs 95 minutes, so it arrives at 15:55.

Here is the way to it:

1. **Minutes to the full hour**: from 14:20 to 15:00 are 40 minutes.
2. **What is left**: 95 - 40 = 55 minutes.
3. **Add them**: 15:00 plus 55 minutes is 15:55.

The first step is where a hasty draft likes to be wrong: it takes 60 minutes for the hour and forgets the 20 that have \
passed. A dense look at the same place puts that right, and the rest follows as before. Check it backwards: an hour \
before 15:55 is 14:55, and 35 minutes before that it is 14:20, which is when the train left."""
DRAFTS = 7
# How many of its seven drafts each window keeps, over and over; seven is all of them.
KEPT = (7, 5, 7, 7, 2, 7, 6, 3, 7, 7, 4)
WANTED = (" 60", " hour", " then", " minute", " is", " so", " 16", " the")


def tokens() -> list[str]:
    """``TEXT`` in pieces as a tokenizer makes them."""
    return re.findall(r"\n+| ?[^\W\d]+| ?\d\d?| ?[^\w\s]+| +", TEXT)


def answer(*, until: int | None = None) -> Iterator[StepEvent]:
    """The events of the answer; ``until`` cuts it off in that window, while its draft is written."""
    words = tokens()
    yield from prefill(words[0], 31)
    at, place, number = 0.25, 1, 0
    while place < len(words):
        number += 1
        drafts = words[place : place + DRAFTS]
        if number == until:
            yield from drafting(number, drafts[:5], at)
            return
        kept = min(KEPT[(number - 1) % len(KEPT)], len(drafts))
        place += kept
        last = words[place] if place < len(words) else ""
        if kept < len(drafts):
            drafts = [*drafts[:kept], WANTED[number % len(WANTED)], *drafts[kept + 1 :]]
        yield from window(number, drafts, kept, last, at)
        place += 1
        at += 0.01 * len(drafts) + 0.02 + 0.004 * (number % 5)
    yield finish(at)


def header() -> TraceHeader:
    return TraceHeader("tiny-fake", "cpu", PROFILE)


def write(path: Path) -> None:
    """Record the answer into ``path``."""
    path.parent.mkdir(exist_ok=True)
    with TraceWriter(path, header()) as writer:
        for event in (LOADED, *answer()):
            writer.write(event)


if __name__ == "__main__":
    write(TRACE)
