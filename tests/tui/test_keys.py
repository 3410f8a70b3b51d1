"""Every key does what it says."""

from pathlib import Path

import pytest
from dashboards import Dashboard, answered, open_dashboard
from fake_feed import READY, FakeFeed, drafting, finish, prefill, window
from make_trace import PROFILE, TEXT, answer
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from sirius_cli.core.request import SamplingSpec
from sirius_cli.core.trace import read_trace
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services.conversations import Conversations, Keeper
from sirius_cli.services.feed import Gone, Loading
from sirius_cli.services.session import AnswerSpec
from sirius_cli.tui.screens.chat import ChatScreen
from sirius_cli.tui.screens.error import ErrorScreen
from sirius_cli.tui.screens.help import HelpScreen
from sirius_cli.tui.screens.picker import PickerScreen
from sirius_cli.tui.screens.save import SaveScreen
from sirius_cli.tui.shelf import Shelf
from sirius_cli.tui.widgets.correction import CorrectionDetail
from sirius_cli.tui.widgets.side import Side

SIZE = (120, 40)


async def answering(dash: Dashboard, pilot: Pilot[None]) -> None:
    await dash.show(pilot)
    await dash.ask(pilot, "why?")
    await dash.tell(pilot, [*prefill("Be"), *window(1, [" cause", " it", " is"], 1, " was", 0.3)])
    await dash.tell(pilot, drafting(2, [" so"], 0.5))


async def test_enter_sends_and_empties_the_prompt() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press(*"why?", "enter")
        assert [question.messages[-1].content for question in dash.feed.questions] == ["why?"]
        assert dash.app.chat.prompt.text == ""


async def test_keys_that_come_all_at_once_keep_their_order() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        for key in [*"why", "ctrl+j", *"so", "enter", *"and"]:
            dash.app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert [question.messages[-1].content for question in dash.feed.questions] == ["why\nso"]
        assert dash.app.chat.prompt.text == "and"


@pytest.mark.parametrize("key", ["shift+enter", "ctrl+j"])
async def test_other_enters_make_a_new_line(key: str) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("a", key, "b")
        assert dash.app.chat.prompt.text == "a\nb"
        assert dash.feed.questions == []
        await pilot.press("enter")
        assert dash.feed.questions[0].messages[-1].content == "a\nb"


async def test_nothing_is_sent_of_an_empty_prompt() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("space", "enter")
        assert dash.feed.questions == []


async def test_arrows_bring_sent_prompts_back() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot, "one")
        await answered(dash, pilot, "two")
        prompt = dash.app.chat.prompt
        seen = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            seen.append(prompt.text)
        assert seen == ["two", "one", "one", "two", ""]


async def test_escape_stops_an_answer() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await pilot.press("escape")
        assert dash.feed.cancelled == 1
        await dash.tell(pilot, [finish(0.6, "cancelled")])
        assert dash.state.phase == "cancelled"
        assert "stopped" in dash.screen_text


async def test_escape_in_an_idle_prompt_leaves_it_and_i_returns() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        for back in ("i", "enter"):
            await pilot.press("escape")
            assert not dash.app.chat.prompt.has_focus
            await pilot.press(back)
            assert dash.app.chat.prompt.has_focus
        assert dash.app.chat.prompt.text == ""


async def test_ctrl_c_stops_and_twice_quits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sirius_cli.tui.app.monotonic", lambda: now[0])
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await pilot.press("ctrl+c")
        assert dash.feed.cancelled == 1
        assert dash.told == ["Stopping. Ctrl-C once more quits."]
        now[0] += 10
        await pilot.press("ctrl+c")
        assert dash.app.is_running
        now[0] += 1
        await pilot.press("ctrl+c")
        await pilot.pause()
    assert dash.feed.closed


async def test_ctrl_q_quits() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+q")
    assert dash.feed.closed


async def test_ctrl_r_answers_again_with_the_next_seed() -> None:
    dash = open_dashboard(spec=AnswerSpec(sampling=SamplingSpec(0.7, seed=4)))
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("ctrl+r")
        first, second = dash.feed.questions
        assert (first.messages, first.spec.sampling.seed) == (second.messages, 4)
        assert second.spec.sampling.seed == 5
        assert len(dash.state.entries) == 1


async def test_ctrl_n_begins_anew() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("escape", "ctrl+n")
        assert dash.state.entries == []
        assert "a cheap draft writes" in dash.screen_text
        assert dash.app.chat.prompt.has_focus


async def test_ctrl_y_copies_the_answer() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+y")
        assert dash.told == ["there is no answer to copy yet"]
        await answered(dash, pilot)
        await pilot.press("ctrl+y")
        assert dash.app.clipboard == TEXT


async def test_ctrl_s_saves_text_and_trace(tmp_path: Path) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("ctrl+s")
        assert isinstance(dash.app.screen, SaveScreen)
        dash.app.screen.query_one(Input).value = str(tmp_path / "talk.md")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(dash.app.screen, ChatScreen)
    assert TEXT in (tmp_path / "talk.md").read_text()
    assert read_trace(tmp_path / "talk.trace.jsonl").events[1:] == tuple(answer())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.md", "talk.trace.jsonl"]


async def test_saving_can_be_left_and_can_fail(tmp_path: Path) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("ctrl+s", "escape")
        assert isinstance(dash.app.screen, ChatScreen)
        await pilot.press("ctrl+s")
        dash.app.screen.query_one(Input).value = str(tmp_path / "nowhere" / "talk.md")
        await pilot.press("enter")
        await pilot.pause()
        assert "name a file in a folder that exists" in dash.screen_text
        assert isinstance(dash.app.screen, SaveScreen)


async def test_a_file_that_exists_is_replaced_by_a_second_enter_alone(tmp_path: Path) -> None:
    old = tmp_path / "old.trace.jsonl"
    old.write_text("mine")
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("ctrl+s")
        dash.app.screen.query_one(Input).value = str(tmp_path / "old.md")
        await pilot.press("enter")
        await pilot.pause()
        assert "old.trace.jsonl would be replaced" in dash.screen_text
        assert old.read_text() == "mine"
        await pilot.press("enter")
        await pilot.pause()
        assert (tmp_path / "old.md").exists()
        assert old.read_text() != "mine"


async def test_ctrl_p_opens_the_palette_with_areas() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 60)) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        assert all(area in dash.screen_text for area in ("chat:", "mode:", "view:", "engine:"))


async def test_the_palette_does_what_it_says() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+p", *"mode dense")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        if dash.app.actions.mode != "dense":  # the first Enter took the hit, the second runs it
            await pilot.press("enter")
            await pilot.pause(0.3)
        assert dash.app.actions.mode == "dense"


async def test_f1_lists_the_keys_and_commands() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 70)) as pilot:
        await dash.show(pilot)
        await pilot.press("f1")
        assert isinstance(dash.app.screen, HelpScreen)
        assert all(text in dash.screen_text for text in ("Answer again", "Write in $EDITOR", "/compare", "/set"))
        await pilot.press("escape")
        assert isinstance(dash.app.screen, ChatScreen)


async def test_ctrl_g_without_a_terminal_says_so() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await pilot.press("ctrl+g")
        assert dash.told == ["an editor cannot be opened here"]


async def test_brackets_walk_the_corrections() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        detail = dash.app.chat.query_one(CorrectionDetail)
        assert not detail.display
        assert dash.state.current is not None
        corrections = dash.state.current.corrections
        await pilot.press("escape", "left_square_bracket")
        assert detail.display
        pointed = dash.app.chat.conversation.pointed
        assert pointed is not None
        assert pointed.token == corrections[-1]
        await pilot.press("right_square_bracket")
        assert f"correction 1 of {len(corrections)}" in dash.screen_text
        assert all(text in dash.screen_text for text in ("4.0%", "81.0%", "window 2", "entropy 1.27 nats"))
        await pilot.press("escape")
        assert not detail.display


async def test_brackets_are_text_in_the_prompt() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("left_square_bracket", "d", "m", "p", "c", "s")
        assert dash.app.chat.prompt.text == "[dmpcs"


async def test_walking_scrolls_to_the_correction() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(100, 16)) as pilot:
        await answered(dash, pilot)
        conversation = dash.app.chat.conversation
        assert conversation.is_vertical_scroll_end
        await pilot.press("escape", "right_square_bracket")
        assert conversation.scroll_offset.y < conversation.max_scroll_y
        await pilot.press("end")
        assert conversation.is_vertical_scroll_end


async def test_the_header_names_the_profile_and_what_d_makes_of_it() -> None:
    dash = open_dashboard(profile=PROFILE.model_copy(update={"name": "exact"}))
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        seen = [dash.screen_text.splitlines()[0].split()[3]]
        for _ in range(3):
            await pilot.press("escape", "d")
            await dash.settle(pilot)
            seen.append(dash.screen_text.splitlines()[0].split()[3])
        assert seen == ["exact", "sparse", "dense", "exact"]


async def test_d_cycles_how_the_next_answer_is_made() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        seen = []
        for _ in range(3):
            await pilot.press("escape", "d")
            seen.append(dash.app.actions.mode)
        assert seen == ["sparse", "dense", "sirius"]
        await pilot.press("d", "i")
        await dash.ask(pilot, "and now?")
        profile = dash.feed.questions[-1].profile
        assert not profile.corrects
        assert profile.draft.method == "coarse"


async def test_m_renders_markdown_and_back() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        assert "**Minutes to the full hour**" in dash.screen_text
        await pilot.press("escape", "m")
        assert "**Minutes" not in dash.screen_text
        assert "Minutes to the full hour" in dash.screen_text
        await pilot.press("m")
        assert "**Minutes to the full hour**" in dash.screen_text


async def test_p_holds_the_charts_still() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await dash.tell(pilot, [finish(0.6)])
        await pilot.press("escape", "p")
        before = dash.screen_text.count("tokens")
        await pilot.press("i")
        await dash.ask(pilot, "more")
        await dash.tell(pilot, answer(), 2)
        assert dash.app.chat.query_one(Side).has_class("-paused")
        assert "4.0" not in figures(dash)
        await pilot.press("escape", "p")
        assert not dash.app.chat.query_one(Side).has_class("-paused")
        assert before
        assert "6.5" in figures(dash)


def figures(dash: Dashboard) -> str:
    return "\n".join(line for line in dash.screen_text.splitlines() if "AAL" in line)


async def test_s_shows_and_hides_the_charts() -> None:
    for size, before in (((120, 40), True), ((80, 24), False)):
        dash = open_dashboard()
        async with dash.app.run_test(size=size) as pilot:
            await answered(dash, pilot)
            side = dash.app.chat.query_one(Side)
            assert side.display == before
            await pilot.press("escape", "s")
            assert side.display != before
            await pilot.press("s")
            assert side.display == before


async def test_ctrl_o_goes_on_with_an_earlier_conversation(tmp_path: Path) -> None:
    shelf = Shelf(Conversations(tmp_path), Keeper(Conversations(tmp_path), "m", "sirius"))
    dash = open_dashboard(shelf=shelf)
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot, "the first")
        await pilot.press("ctrl+n")
        await answered(dash, pilot, "the second")
        await pilot.press("ctrl+n", "ctrl+o")
        assert isinstance(dash.app.screen, PickerScreen)
        assert dash.app.screen.query_one(OptionList).option_count == 2
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert isinstance(dash.app.screen, ChatScreen)
        resumed = [message.content for message in dash.state.messages]
        assert resumed in (["the first", TEXT], ["the second", TEXT])
        await dash.ask(pilot, "go on")
        assert [message.content for message in dash.feed.questions[-1].messages] == [*resumed, "go on"]
        await dash.tell(pilot, answer(), 3)
    assert sorted(len(Conversations(tmp_path).load(one.id).turns) for one in shelf.all()) == [1, 2]


async def test_what_cannot_be_saved_is_told_once_and_the_chat_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    store = Conversations(Path("file", "conversations"))  # short: the line that names it must not wrap
    dash = open_dashboard(shelf=Shelf(store, Keeper(store, "m", "sirius")))
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot, "one")
        await answered(dash, pilot, "two")
        assert dash.screen_text.count("this conversation is not saved") == 1
        assert len(dash.feed.questions) == 2


async def test_ctrl_e_starts_the_engine_again_only_when_it_is_gone() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await pilot.press("ctrl+e")
        assert dash.feed.started == 1
        await dash.show(pilot, Gone("the engine was killed"))
        await pilot.press("escape", "ctrl+e")
        assert dash.feed.started == 2
        assert dash.state.phase == "starting"


@pytest.mark.parametrize(("key", "started", "running"), [("r", 2, True), ("escape", 1, True), ("q", 1, False)])
async def test_after_a_crash_the_user_chooses(key: str, started: int, running: bool) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await dash.show(pilot, Gone("the engine was [b]killed[/b]"))
        assert isinstance(dash.app.screen, ErrorScreen)
        assert "the engine was [b]killed[/b]" in dash.screen_text
        assert dash.app.chat.prompt.text == "why?"
        await pilot.press(key)
        await pilot.pause()
        assert dash.feed.started == started
        assert dash.app.is_running == running
        if running:
            await dash.show(pilot, READY)
            assert "Be cause was" in dash.screen_text


async def test_a_second_question_has_to_wait() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await answering(dash, pilot)
        await dash.ask(pilot, "and this?")
        assert dash.told == ["an answer is being made; Esc stops it"]
        assert dash.app.chat.prompt.text == "and this?"


async def test_what_is_asked_while_loading_is_answered_then() -> None:
    feed = FakeFeed(Loading("m"))
    dash = open_dashboard(feed=feed)
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        assert feed.questions == []
        assert "why?" in dash.screen_text
        await dash.show(pilot, READY)
        assert len(feed.questions) == 1
        await dash.tell(pilot, answer())
        assert "15:55" in dash.screen_text


async def test_keys_are_the_users() -> None:
    dash = open_dashboard()
    dash.app.set_keymap({"chat.new": "f5", "chat.mode": "x"})
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        await pilot.press("ctrl+n")
        assert dash.state.entries
        await pilot.press("escape", "d")
        assert dash.app.actions.mode == "sirius"
        await pilot.press("x", "f5")
        assert dash.app.actions.mode == "sparse"
        assert dash.state.entries == []


class FakeReplay:
    """A recording that can stand still."""

    def __init__(self) -> None:
        self.ended = False
        self.paused = False

    def pause(self, paused: bool = True) -> None:
        self.paused = paused


async def test_space_lets_a_replay_stand_still_until_it_has_ended() -> None:
    dash, replay = open_dashboard(replayed=True), FakeReplay()
    dash.app.actions.replay = replay
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.tell(pilot, prefill("Be"))
        await pilot.press("space")
        await dash.show(pilot)
        assert replay.paused
        assert "replay, paused" in dash.screen_text
        await pilot.press("space")
        assert not replay.paused
        replay.ended = True
        await pilot.press("space")
        assert not replay.paused


async def test_a_crash_during_a_comparison_ends_all_of_it() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "/compare why?")
        await dash.show(pilot, Gone("killed"))
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert isinstance(dash.app.screen, ChatScreen)
        await pilot.press("ctrl+e")
        await dash.show(pilot, READY)
        await dash.ask(pilot, "why?")
        assert [question.lane for question in dash.feed.questions] == ["compare dense", "chat"]


async def test_a_trace_that_cannot_be_written_is_told_and_the_chat_goes_on() -> None:
    def refuse(event: object) -> None:
        raise EnvironmentProblem("cannot go on writing the trace", "free some space")

    dash = open_dashboard()
    dash.app.actions.recorder = refuse
    async with dash.app.run_test(size=SIZE) as pilot:
        await answered(dash, pilot)
        assert dash.screen_text.count("cannot go on writing the trace") == 1
        assert "15:55" in dash.screen_text
