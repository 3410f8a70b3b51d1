"""The conversation's widget: what it draws, where it scrolls, what it points at."""

import pytest
from correction_streams import copied
from dashboards import Dashboard, open_dashboard
from fake_feed import Happened, check, drafting, finish, prefill, window
from make_trace import answer
from textual.pilot import Pilot
from textual.selection import SELECT_ALL

from sirius_cli.tui.state import Exchange
from sirius_cli.tui.widgets.conversation import Conversation

SIZE = (100, 20)


async def filled(dash: Dashboard, pilot: Pilot[None]) -> Conversation:
    await dash.show(pilot)
    await dash.ask(pilot, "When does it arrive?")
    await dash.tell(pilot, answer())
    return dash.app.chat.conversation


def place(conversation: Conversation, word: str) -> tuple[int, int]:
    """Where ``word`` stands in the widget."""
    for y in range(conversation.size.height):
        text = conversation.render_line(y).text
        if word in text:
            return text.index(word), y
    raise AssertionError(f"no {word!r} to be seen")


async def test_it_follows_its_end_unless_scrolled_away() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        conversation = await filled(dash, pilot)
        assert conversation.is_vertical_scroll_end
        conversation.scroll_to(y=1, animate=False)
        await dash.ask(pilot, "And then?")
        await dash.tell(pilot, answer(), 2)
        assert conversation.scroll_offset.y == 1
        conversation.scroll_end(animate=False)
        await pilot.pause()
        await dash.ask(pilot, "And then?")
        assert conversation.is_vertical_scroll_end


async def test_the_mouse_shows_a_correction_while_it_is_over_it() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(100, 40)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, [*prefill("It"), *window(1, [" seems", " good"], 0, " is", 0.3), finish(0.5)])
        conversation = dash.app.chat.conversation
        x, y = place(conversation, "is")
        await pilot.hover(Conversation, offset=(x, y))
        assert conversation.pointed is not None
        assert "“ seems”" in dash.screen_text
        await pilot.hover(Conversation, offset=(x, y + 5))
        assert conversation.pointed is None
        await pilot.click(Conversation, offset=(x, y))
        await pilot.hover(Conversation, offset=(x, y + 5))
        assert conversation.pointed is not None


@pytest.mark.parametrize("no_color", [False, True])
async def test_what_was_looked_up_looks_different(no_color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, list(copied()))
        conversation = dash.app.chat.conversation
        styles = {
            segment.text.strip(): segment.style
            for y in range(conversation.size.height)
            for segment in conversation.render_line(y)
        }
        drafted, found = styles["a b"], styles["c"]
        assert drafted is not None
        assert found is not None
        assert bool(found.underline) == no_color
        assert drafted != found


async def test_a_resize_wraps_anew() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        conversation = await filled(dash, pilot)
        before = conversation.virtual_size.height
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert conversation.virtual_size.height > before
        assert conversation.is_vertical_scroll_end


async def test_streaming_shows_what_a_fresh_start_would() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(100, 40)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "When does it arrive?")
        for event in answer():
            dash.feed.put(Happened(1, event))
            dash.app.tick()
        await pilot.pause()
        conversation = dash.app.chat.conversation
        streamed = [conversation.render_line(y).text for y in range(conversation.size.height)]
        dash.state.revision += 1
        conversation.sync()
        await pilot.pause()
        assert [conversation.render_line(y).text for y in range(conversation.size.height)] == streamed


async def test_text_can_be_selected() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        conversation = await filled(dash, pilot)
        selected = conversation.get_selection(SELECT_ALL)
        assert selected is not None
        assert "needs 95 minutes" in selected[0]
        dash.app.screen.selections = {conversation: SELECT_ALL}
        await pilot.pause()
        drawn = [conversation.render_line(y).text for y in range(conversation.size.height)]
        assert any("14:20" in text for text in drawn)


@pytest.mark.parametrize("key", ["left_square_bracket", "right_square_bracket"])
async def test_walking_without_a_correction_does_nothing(key: str) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, [*prefill("It"), finish(0.5)])
        await pilot.press("escape", key)
        assert dash.app.chat.conversation.pointed is None


async def test_corrections_of_all_answers_are_walked() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        conversation = await filled(dash, pilot)
        await dash.ask(pilot, "And then?")
        await dash.tell(pilot, answer(), 2)
        exchanges = [entry for entry in dash.state.entries if isinstance(entry, Exchange)]
        count = len(exchanges[0].answer.corrections)
        await pilot.press("escape", *["right_square_bracket"] * (count + 1))
        assert conversation.pointed is not None
        assert conversation.pointed.answer is exchanges[1].answer
        assert conversation.pointed.token == exchanges[1].answer.corrections[0]


async def test_what_goes_is_wiped_off_the_screen() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(100, 40)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        await dash.tell(pilot, [*prefill("It"), *drafting(1, ["\n\nfar", "\n\nmore"], 0.3)])
        assert "more" in dash.screen_text
        await dash.tell(pilot, list(window(1, ["\n\nfar", "\n\nmore"], 0, " is", 0.3))[2:])
        assert "far" not in dash.screen_text
        await dash.tell(pilot, [finish(0.5)])
        await pilot.press("ctrl+n")
        await dash.ask(pilot, "Four words to wrap?")
        assert dash.screen_text.count("Four") == 1
        assert "Four words to wrap?" in dash.screen_text


async def test_what_a_check_takes_back_leaves_the_text_where_it_is() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        conversation = await filled(dash, pilot)
        await dash.ask(pilot, "Tell me more.")
        await dash.tell(pilot, prefill("Once"), 2)
        height = conversation.virtual_size.height
        await dash.tell(pilot, drafting(1, [" there was a long tail of words"] * 12, 0.3), 2)
        grown = conversation.virtual_size.height
        assert grown > height
        await dash.tell(pilot, check(1, [" there was a long tail of words"] * 12, 0, " upon", 0.6), 2)
        assert conversation.virtual_size.height == grown
        assert conversation.is_vertical_scroll_end
        await dash.tell(pilot, [finish(1.0)], 2)
        assert conversation.virtual_size.height == height
        assert conversation.is_vertical_scroll_end
