"""The real 135M model in a process of its own."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from feeds import Watched, question

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.events import Drafted, Prefilled
from sirius_cli.services.engine_process import EngineProcess
from sirius_cli.services.feed import Happened, Measured, Message, Ready
from sirius_cli.services.session import ModelChoice

pytestmark = pytest.mark.model


@pytest.fixture
def watched(smollm2: object) -> Iterator[Watched]:
    feed = EngineProcess(
        ModelChoice("builtin:smollm2", threads=1, offline=True), resolve_profile("sirius", {}, {}).profile
    )
    yield Watched(feed)
    feed.close()


def test_lanes_profiles_cancelling_and_figures(watched: Watched) -> None:
    profiles = {name: resolve_profile(name, {}, {}).profile for name in ("dense", "exact", "sirius")}
    watched.ready()
    ready = next(item for item in watched.items if isinstance(item, Ready))
    assert ready.loaded.model == "builtin:smollm2"
    assert ready.memory > 100_000_000
    assert ready.context >= 2048
    asked = "Name the planets of the solar system."
    numbers = {name: watched.feed.ask(question(asked, name, p, limit=40)) for name, p in profiles.items()}
    watched.until_event(numbers["sirius"], Drafted)
    watched.feed.cancel()
    watched.until(lambda item: isinstance(item, Measured) and item.question == numbers["sirius"])
    assert watched.text(numbers["exact"]) == watched.text(numbers["dense"]) != ""
    assert watched.reason(numbers["sirius"]) == "cancelled"
    measured = [item for item in watched.items if isinstance(item, Measured)]
    assert [item.question for item in measured] == list(numbers.values())
    assert all(item.dense_step_ms and item.memory > ready.memory / 2 for item in measured)


def test_a_conversation_that_goes_on_is_not_read_again(watched: Watched) -> None:
    watched.ready()
    first = question("Name a colour.", limit=20)
    number = watched.feed.ask(first)
    watched.answered(number)
    answer = Message("assistant", watched.text(number))
    following = replace(first, messages=(*first.messages, answer, Message("user", "Name another.")))
    watched.answered(watched.feed.ask(following))
    prefilled = [i.event for i in watched.items if isinstance(i, Happened) and isinstance(i.event, Prefilled)]
    assert prefilled[0].reused_tokens == 0
    assert prefilled[1].reused_tokens >= prefilled[0].prompt_tokens


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="no such scheduling here")
def test_the_engine_lets_short_pieces_of_drawing_pass(watched: Watched) -> None:
    watched.ready()
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    processes = [Path(f"/proc/{child}") for file in children for child in file.read_text().split()]
    engines = [process for process in processes if b"engine_worker" in (process / "cmdline").read_bytes()]
    threads = [int(task.name) for engine in engines for task in (engine / "task").iterdir()]
    assert threads
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
