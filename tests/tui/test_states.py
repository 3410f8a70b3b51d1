"""Every state has its look, at every size."""

import pytest
from dashboards import open_dashboard
from fake_feed import READY, FakeFeed, drafting, finish, prefill, sparse, window
from make_trace import PROFILE, answer
from rich.color import Color
from textual.widgets import Static

from sirius_cli.core.events import Committed, CommittedToken
from sirius_cli.services.feed import FeedItem, Gone, Happened, Loading, Problem, Working
from sirius_cli.services.modes import profile_for
from sirius_cli.tui.phases import working_text
from sirius_cli.tui.widgets.side import Brief, Side
from sirius_cli.tui.widgets.status import Status

SIZE = (120, 40)
DEFAULT = Color.default()
FIRST = [Happened(1, event) for event in prefill()]
DRAFT = [Happened(1, event) for event in drafting(1, [" so", " far"], 0.3)]
FULL = [Happened(1, event) for event in drafting(1, list("abcdefg"), 0.3)]


async def status(*items: FeedItem, ask: bool = False) -> str:
    """The first line of the screen after ``items``."""
    dash = open_dashboard(feed=FakeFeed())
    async with dash.app.run_test(size=SIZE) as pilot:
        if ask:
            await dash.show(pilot, READY)
            await dash.ask(pilot, "why?")
        await dash.show(pilot, *items)
        return dash.screen_text.splitlines()[0]


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], "starting the engine"),
        ([Working("fetching m", 50_000_000, 200_000_000)], "fetching m  ━━━━━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄  25%, 50 of 200 MB"),
        ([Working("converting m", 1, None)], "converting m"),
        ([Loading("m")], "loading m"),
        ([READY], "ready"),
    ],
)
async def test_states_before_a_question(items: list[FeedItem], text: str) -> None:
    assert text in await status(*items)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], "reading the prompt"),
        ([*FIRST, *DRAFT], "drafting"),
        ([*FIRST, *FULL], "checking"),
        ([*FIRST, Happened(1, finish(1.0))], "finished"),
        ([*FIRST, *DRAFT, Happened(1, finish(1.0, "cancelled"))], "stopped"),
        ([Problem(1, "the prompt is too long", "shorten it")], "no answer"),
        ([*FIRST, Gone("killed")], "the engine has ended"),
    ],
)
async def test_states_of_an_answer(items: list[FeedItem], text: str) -> None:
    assert text in await status(*items, ask=True)


async def test_dense_decoding_is_told() -> None:
    dash = open_dashboard(profile=profile_for("dense", PROFILE))
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.show(pilot, *FIRST)
        assert "decoding densely" in dash.screen_text.splitlines()[0]


async def test_a_replay_says_so_and_takes_no_questions() -> None:
    dash = open_dashboard(READY, *(Happened(1, event) for event in answer()), replayed=True)
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        assert "replay, finished" in dash.screen_text
        assert "15:55" in dash.screen_text
        assert not dash.app.chat.prompt.display
        assert not dash.app.submit("why?")
        await pilot.pause()
        assert "a replay takes no questions" in dash.told[0]
        await pilot.press("left_square_bracket")
        assert "correction" in dash.screen_text


async def test_the_drafted_tail_is_replaced_by_what_the_check_says() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, [*prefill("It"), *drafting(1, [" seems", " good"], 0.3)])
        assert "It seems good" in dash.screen_text
        await dash.tell(pilot, list(window(1, [" seems", " good"], 0, " is", 0.3))[2:])
        assert "It is" in dash.screen_text
        assert "seems" not in dash.screen_text


async def test_why_an_answer_failed_stands_below_it_and_nothing_is_obeyed() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why [red]not[/red] \x1b[31m?")
        token = CommittedToken(1, "[bold]x[/bold]\x1b]0;title\x07\u202e", "draft", 0.5)
        await dash.tell(pilot, [Committed(0, 0.1, 0, (token,))])
        await dash.show(pilot, Problem(1, "too [b]long[/b]", "shorten\x1b[2J it"))
        text = dash.screen_text
        for shown in (
            "why [red]not[/red] ␛[31m?",
            "[bold]x[/bold]␛]0;title␇<U+202E>",
            "too [b]long[/b]. shorten␛[2J it",
        ):
            assert shown in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("size", "side", "brief"), [((200, 60), True, False), ((100, 30), True, False), ((80, 24), False, True)]
)
async def test_every_size_has_its_layout(size: tuple[int, int], side: bool, brief: bool) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=size) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "When does it arrive?")
        await dash.tell(pilot, answer())
        chat = dash.app.chat
        assert (chat.query_one(Side).display, chat.query_one(Brief).display) == (side, brief)
        assert "tok/s" in dash.screen_text
        assert "15:55" in dash.screen_text
        assert all(widget.region.bottom <= size[1] for widget in chat.query("#talk, #side, Footer") if widget.display)


@pytest.mark.parametrize("size", [(39, 24), (80, 9), (20, 5)])
async def test_a_tiny_terminal_says_so(size: tuple[int, int]) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=size) as pilot:
        await dash.show(pilot)
        assert "This terminal is too" in dash.screen_text
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "This terminal is too" not in dash.screen_text
        assert dash.app.chat.query_one("#too-small", Static).display is False


async def test_ascii_alone_is_drawn_where_nothing_else_can_be() -> None:
    dash = open_dashboard(ascii_only=True)
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "Käse?")
        await dash.tell(pilot, answer())
        await pilot.press("escape", "left_square_bracket")
        svg = dash.app.export_screenshot()
        assert svg.isascii() or not {c for c in svg if not c.isascii()} - {"\u00a0"}


async def test_without_colours_nothing_is_grey() -> None:
    dash = open_dashboard(no_colour=True)
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, answer())
        strips = dash.app.chat.conversation.render_lines(dash.app.chat.conversation.size.region)
        filters = dash.app.get_line_filters()
        segments = [
            segment for strip in strips for segment in strip.apply_filter(filters[-1], dash.app.chat.styles.background)
        ]
        assert all(segment.style is None or segment.style.color in (None, DEFAULT) for segment in segments)
        underlined = [segment.text for segment in segments if segment.style and segment.style.underline]
        assert underlined


async def test_the_spinner_turns_only_when_something_goes_on() -> None:
    dash = open_dashboard(animate=True)
    dash.app.pace = None
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        line = dash.app.chat.query_one(Status)
        before = line.render().plain
        for _ in range(12):
            dash.app.tick()
        assert line.render().plain == before
        await dash.ask(pilot, "why?")
        frames = set()
        for _ in range(20):
            dash.app.tick()
            frames.add(line.render().plain)
        assert len(frames) >= 4


def test_progress_without_a_total_is_its_stage() -> None:
    assert working_text(Working("unpacking\x1b\nthis", 3, None)) == "unpacking␛ this"


async def test_an_answer_of_the_draft_alone_has_no_marks() -> None:
    dash = open_dashboard(profile=profile_for("sparse", PROFILE))
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, sparse(["a", " b", " c"]))
        assert dash.state.current is not None
        assert dash.state.current.corrections == []
        assert "a b c" in dash.screen_text


async def test_a_clock_that_strikes_while_the_app_closes_does_no_harm() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
    assert not dash.app.screen_stack
    dash.app.tick()
