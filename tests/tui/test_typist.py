"""The typist writes, sends, waits for the answer, shows a correction, and goes on: all on a clock of the test's."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from dashboards import Dashboard, open_dashboard
from fake_feed import READY, finish, prefill, window
from textual.pilot import Pilot

from sirius_cli.services.demo import Pace, rounds
from sirius_cli.services.feed import Gone
from sirius_cli.tui.typist import Typist

PACE = Pace(before_prompt=2.0, key=0.1, before_sending=1.0, to_read=5.0)


class Stage:
    """A dashboard whose rests the typist attends, and the clock."""

    def __init__(self, dashboard: Dashboard, scripts: Iterable[tuple[str, ...]], *, leave: bool = False) -> None:
        self.dashboard = dashboard
        self.now = 100.0
        self.typist = Typist(iter(scripts), PACE, leave=leave, clock=lambda: self.now)
        self.left = False
        dashboard.app.exit = self._leave  # type: ignore[method-assign, assignment]

    def _leave(self) -> None:
        self.left = True

    async def pass_time(self, pilot: Pilot[None], seconds: float) -> None:
        """Let time go by in steps of 0.05 s."""
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            if self.dashboard.app.actions.at_rest:
                self.typist.act(self.dashboard.app)
        await pilot.pause()

    @property
    def prompt(self) -> str:
        return self.dashboard.app.chat.prompt.text

    @property
    def asked(self) -> list[str]:
        return [question.messages[-1].content for question in self.dashboard.feed.questions]


def play(act: Callable[[Stage, Pilot[None]], Awaitable[None]], *scripts: tuple[str, ...], leave: bool = False) -> None:
    async def run() -> None:
        dashboard = open_dashboard()
        stage = Stage(dashboard, scripts, leave=leave)
        async with dashboard.app.run_test(size=(120, 40)) as pilot:
            await dashboard.show(pilot, READY)
            await act(stage, pilot)

    asyncio.run(run())


async def answer(stage: Stage, pilot: Pilot[None], question: int) -> None:
    events = [*prefill(), *window(1, ["one", "two"], 1, "three", 0.5), finish(1.0)]
    await stage.dashboard.tell(pilot, events, question)


def test_a_prompt_is_typed_and_sent() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.pass_time(pilot, 1.9)
        assert stage.prompt == ""
        await stage.pass_time(pilot, 0.35)
        assert stage.prompt in ("hel", "he")
        await stage.pass_time(pilot, 2.0)
        assert stage.prompt == ""
        assert stage.asked == ["hello"]

    play(act, ("hello",))


def test_the_next_prompt_waits_for_the_answer_and_its_correction_is_shown() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.pass_time(pilot, 60.0)
        assert stage.asked == ["hello"]
        await answer(stage, pilot, 1)
        await stage.pass_time(pilot, 1.0)
        assert "two" in stage.dashboard.screen_text
        assert stage.dashboard.app.chat.conversation.pointed is not None
        await stage.pass_time(pilot, 60.0)
        assert stage.asked == ["hello", "again"]
        assert len(stage.dashboard.feed.questions[1].messages) == 3
        assert stage.dashboard.app.chat.conversation.pointed is None

    play(act, ("hello", "again"))


def test_every_round_begins_anew() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.pass_time(pilot, 60.0)
        await answer(stage, pilot, 1)
        await stage.pass_time(pilot, 60.0)
        assert [len(question.messages) for question in stage.dashboard.feed.questions] == [1, 1]

    play(act, ("hello",), ("hello",))


def test_it_leaves_when_it_is_to() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.pass_time(pilot, 60.0)
        await answer(stage, pilot, 1)
        await stage.pass_time(pilot, 4.0)
        assert not stage.left
        await stage.pass_time(pilot, 10.0)
        assert stage.left

    play(act, ("hello",), leave=True)


def test_it_stays_otherwise() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.pass_time(pilot, 60.0)
        await answer(stage, pilot, 1)
        await stage.pass_time(pilot, 60.0)
        assert not stage.left
        assert stage.asked == ["hello"]

    play(act, ("hello",))


def test_without_an_engine_it_rests() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.dashboard.show(pilot, Gone("killed"))
        await stage.pass_time(pilot, 60.0)
        assert stage.asked == []
        assert stage.prompt == ""

    play(act, ("hello",))


def test_rounds_and_paces() -> None:
    assert len(list(rounds(loop=False))) == 1
    endless = rounds(loop=True)
    assert next(endless) == next(endless)
    assert PACE.times(2.0) == Pace(1.0, 0.05, 0.5, 2.5)
