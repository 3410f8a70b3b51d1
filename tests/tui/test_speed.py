"""A conversation of 10,000 tokens costs no more than a short one. Bounds are four times what a slow machine needs."""

import asyncio
import time
from collections.abc import Iterator

from dashboards import open_dashboard
from fake_feed import Happened, finish, prefill, window

from sirius_cli.core.events import StepEvent

WINDOWS = 1500  # of about seven tokens
WORDS = [" sparse", " drafts", " are", " checked", " now", " and", " then"]
TICK_S = 0.05
SHARE = 0.25
SLACK = 4


def long_answer() -> Iterator[StepEvent]:
    yield from prefill()
    for number in range(1, WINDOWS + 1):
        yield from window(number, WORDS, 7 if number % 3 else 4, ".\n" if number % 20 == 0 else ",", 0.08 * number)
    yield finish(101.0)


async def test_ten_thousand_tokens_stay_cheap() -> None:
    dash = open_dashboard(animate=True)
    async with dash.app.run_test(size=(120, 40)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "Tell me a lot.")
        events = list(long_answer())
        await dash.tell(pilot, events[:-400])
        assert dash.state.panel.figures.tokens > 9_000
        # What follows comes at 25 Hz and about 100 committed tokens a second: eight events a tick.
        batches = [events[i : i + 8] for i in range(len(events) - 400, len(events), 8)]
        worst, began = 0.0, time.process_time()
        for batch in batches:
            dash.feed.put(*(Happened(1, event) for event in batch))
            start = time.process_time()
            dash.app.tick()
            worst = max(worst, time.process_time() - start)
            await asyncio.sleep(0.04)
        share = (time.process_time() - began) / (0.04 * len(batches))
        assert worst < SLACK * TICK_S
        assert share < SLACK * SHARE
