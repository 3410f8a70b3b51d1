"""Pictures of the dashboard, from the recorded trace. ``pytest tests/tui --snapshot-update`` takes them anew."""

from collections.abc import Callable

import pytest
from dashboards import Dashboard, open_dashboard
from fake_feed import dense, sparse
from make_trace import TRACE, answer, tokens, write
from textual.command import CommandList
from textual.pilot import Pilot

from sirius_cli.core.events import Drafted, Loaded, StepEvent
from sirius_cli.core.trace import read_trace
from sirius_cli.services.feed import Gone, Measured, Working
from sirius_cli.tui.app import ChatApp

Picture = Callable[[ChatApp], None]
PROMPT = "A train leaves at 14:20 and needs 95 minutes. When does it arrive?"
LARGE, SMALL = (120, 40), (80, 24)
LOOKS = [(LARGE, "night"), (LARGE, "day"), (SMALL, "night")]
NAMES = ["120x40-night", "120x40-day", "80x24-night"]


def recorded() -> list[StepEvent]:
    return [event for event in read_trace(TRACE).events if not isinstance(event, Loaded)]


def half() -> list[StepEvent]:
    """The answer up to the middle of a window's draft."""
    events = recorded()
    middle = next(i for i in range(len(events) // 2, len(events)) if isinstance(events[i], Drafted))
    return events[: middle + 4]


async def shown(dash: Dashboard, pilot: Pilot[None], events: list[StepEvent]) -> None:
    await dash.show(pilot)
    await dash.ask(pilot, PROMPT)
    await dash.tell(pilot, events)


def test_the_trace_is_what_its_script_writes(tmp_path_factory: pytest.TempPathFactory) -> None:
    again = tmp_path_factory.mktemp("trace") / "again.jsonl"
    write(again)
    assert again.read_bytes() == TRACE.read_bytes()
    assert tuple(recorded()) == tuple(answer())


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=NAMES)
async def test_idle(size: tuple[int, int], theme: str, picture: Picture) -> None:
    dash = open_dashboard(theme=theme)
    async with dash.app.run_test(size=size) as pilot:
        await dash.show(pilot)
        picture(dash.app)


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=NAMES)
async def test_mid_answer(size: tuple[int, int], theme: str, picture: Picture) -> None:
    dash = open_dashboard(theme=theme)
    async with dash.app.run_test(size=size) as pilot:
        await shown(dash, pilot, half())
        picture(dash.app)


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["120x40", "80x24"])
async def test_correction_selected(size: tuple[int, int], picture: Picture) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=size) as pilot:
        await shown(dash, pilot, recorded())
        await dash.show(pilot, Measured(1, 31.0, 612_000_000))
        await pilot.press("escape", "left_square_bracket", "left_square_bracket")
        picture(dash.app)


async def test_side_by_side(picture: Picture) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=LARGE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, f"/compare {PROMPT}")
        wrong = [" 35" if token == " 15" else token for token in tokens()]
        await dash.tell(pilot, dense(tokens()), 1)
        await dash.tell(pilot, sparse(wrong[:90]), 2)
        await dash.tell(pilot, half(), 3)
        picture(dash.app)


async def test_error(picture: Picture) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=LARGE) as pilot:
        await shown(dash, pilot, half())
        await dash.show(pilot, Gone("the engine was killed, perhaps because memory ran out"))
        picture(dash.app)


async def filled(pilot: Pilot[None]) -> None:
    """Wait for the palette's list, which is searched for beside all else and marks its first line last."""
    for _ in range(100):
        await pilot.pause(0.1)
        found = pilot.app.screen.query(CommandList)
        if found and found.first().highlighted is not None:
            break
    await pilot.pause(0.3)


async def test_palette(picture: Picture) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=LARGE) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+p")
        await filled(pilot)
        picture(dash.app)


async def test_fetching(picture: Picture) -> None:
    dash = open_dashboard(Working("fetching HuggingFaceTB/SmolLM2-135M", 105_000_000, 270_000_000))
    async with dash.app.run_test(size=SMALL) as pilot:
        await dash.show(pilot)
        picture(dash.app)


async def test_ascii(picture: Picture) -> None:
    dash = open_dashboard(ascii_only=True)
    async with dash.app.run_test(size=LARGE) as pilot:
        await shown(dash, pilot, half())
        picture(dash.app)
