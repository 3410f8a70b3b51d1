"""Three answers to one prompt, side by side."""

from collections.abc import Sequence

import pytest
from dashboards import Dashboard, open_dashboard
from fake_feed import dense, finish, prefill, sparse, window
from make_trace import PROFILE
from textual.pilot import Pilot

from sirius_cli.core.events import StepEvent
from sirius_cli.services.feed import Problem
from sirius_cli.tui.differences import differing
from sirius_cli.tui.screens.chat import ChatScreen
from sirius_cli.tui.screens.compare import CompareScreen, Lane

WORDS = ["It", " arrives", " at", " 15", ":", "55", "."]
WRONG = ["It", " arrives", " at", " 16", ":", "15", "."]


def corrected() -> Sequence[StepEvent]:
    return [
        *prefill("It"),
        *window(1, [" arrives", " at", " 16"], 2, " 15", 0.3),
        *window(2, [":", "55"], 2, ".", 0.4),
        finish(0.6),
    ]


async def compared(dash: Dashboard, pilot: Pilot[None]) -> CompareScreen:
    await dash.show(pilot)
    await pilot.press(*"when?")
    await pilot.press("escape", "c")
    await pilot.pause()
    screen = dash.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


async def test_the_lanes_are_answered_one_after_another_and_differences_are_marked() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 30)) as pilot:
        screen = await compared(dash, pilot)
        assert [question.lane for question in dash.feed.questions] == ["compare dense"]
        assert dash.screen_text.count("waits for its turn") == 2
        await dash.tell(pilot, dense(WORDS), 1)
        await dash.tell(pilot, sparse(WRONG), 2)
        await dash.tell(pilot, corrected(), 3)
        assert [question.lane for question in dash.feed.questions] == [
            "compare dense",
            "compare sparse",
            "compare sirius",
        ]
        methods = [(question.profile.draft.method, question.profile.corrects) for question in dash.feed.questions]
        assert methods == [("dense", False), ("coarse", False), ("coarse", True)]
        assert all([message.content for message in question.messages] == ["when?"] for question in dash.feed.questions)
        assert not screen.running
        assert "It arrives at 16:15." in dash.screen_text
        assert "2 differ" in dash.screen_text
        assert dash.screen_text.count("7 tokens") == 3
        assert dash.state.entries == []


async def test_leaving_early_stops_the_rest() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 30)) as pilot:
        await compared(dash, pilot)
        await dash.tell(pilot, prefill(), 1)
        await pilot.press("escape")
        assert dash.feed.cancelled == 1
        assert isinstance(dash.app.screen, ChatScreen)
        await dash.tell(pilot, [finish(0.5, "cancelled")], 1)
        assert len(dash.feed.questions) == 1
        assert dash.app.chat.prompt.text == "when?"


async def test_a_lane_that_fails_says_so_and_the_next_goes_on() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 30)) as pilot:
        await compared(dash, pilot)
        await dash.show(pilot, Problem(1, "out of memory", "take a smaller model"))
        assert "out of memory" in dash.screen_text
        await dash.tell(pilot, sparse(WRONG), 2)
        assert len(dash.feed.questions) == 3


async def test_a_narrow_terminal_shows_one_lane_at_a_time() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(80, 24)) as pilot:
        screen = await compared(dash, pilot)
        seen = []
        for _ in range(4):
            seen.append([lane.exchange.mode for lane in screen.query(Lane) if lane.display])
            await pilot.press("tab")
            await pilot.pause()
        assert seen == [["dense"], ["sparse"], ["sirius"], ["dense"]]
        await pilot.press("shift+tab")
        await pilot.pause()
        assert [lane.exchange.mode for lane in screen.query(Lane) if lane.display] == ["dense"]


async def test_nothing_is_compared_while_an_answer_is_made() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 30)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.ask(pilot, "/compare when?")
        assert dash.told == ["an answer is being made; Esc stops it"]


async def test_the_last_prompt_is_compared_where_the_prompt_is_empty() -> None:
    dash = open_dashboard(profile=PROFILE)
    async with dash.app.run_test(size=(120, 30)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "when?")
        await dash.tell(pilot, corrected())
        await pilot.press("escape", "c")
        await pilot.pause()
        assert [message.content for message in dash.feed.questions[-1].messages] == ["when?"]


@pytest.mark.parametrize(
    ("tokens", "reference", "places"),
    [
        ([1, 2, 3], [1, 2, 3], set()),
        ([1, 9, 3], [1, 2, 3], {1}),
        ([1, 9, 9, 2, 3], [1, 2, 3], {1, 2}),
        ([1, 2, 3, 4], [1, 2, 3], {3}),
        ([], [1], set()),
        (list(range(5000)), [0, 0, *range(2, 4000)], {1, *range(4000, 5000)}),
    ],
)
def test_differences(tokens: list[int], reference: list[int], places: set[int]) -> None:
    assert differing(tokens, reference) == places
