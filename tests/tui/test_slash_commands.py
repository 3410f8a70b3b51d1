"""Commands typed into the dashboard's prompt, and mistakes in them."""

from collections.abc import Callable

import pytest
from dashboards import Dashboard, answered, open_dashboard

SIZE = (120, 40)


COMMANDS: list[tuple[str, Callable[[Dashboard], bool]]] = [
    ("/help", lambda dash: "/retry" in dash.screen_text),
    ("/set window 4", lambda dash: dash.app.actions.profile.correction.window == 4),
    ("/set temperature 0.5", lambda dash: dash.app.actions.setup.spec.sampling.temperature == 0.5),
    ("/set method dense", lambda dash: dash.app.actions.mode == "dense"),
    ("/show", lambda dash: "correction.window" in dash.screen_text),
    ("/system Be brief.", lambda dash: dash.app.actions.setup.spec.system == "Be brief."),
    ("/clear", lambda dash: dash.state.entries == []),
    ("/retry", lambda dash: len(dash.feed.questions) == 2),
    ("/stats", lambda dash: "check_cost_ratio" in dash.screen_text),
    ("/compare why?", lambda dash: dash.feed.questions[-1].lane == "compare dense"),
]


@pytest.mark.parametrize(("command", "holds"), COMMANDS, ids=[command for command, _ in COMMANDS])
async def test_slash_commands(command: str, holds: Callable[[Dashboard], bool]) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=(120, 60)) as pilot:
        await answered(dash, pilot)
        await dash.ask(pilot, command)
        assert dash.told == []
        assert holds(dash)


async def test_bye_leaves() -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "/bye")
    assert dash.feed.closed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/sing", "there is no command /sing; /help lists them"),
        ("/set keep much", "keep cannot be much"),
        ("/set window 0", "correction.window"),
        ("/retry", "there is nothing to answer again yet"),
        ("/stats", "there is no answer yet"),
        ("/compare", "the prompt is empty"),
    ],
)
async def test_mistakes_are_told_and_the_line_is_kept(line: str, message: str) -> None:
    dash = open_dashboard()
    async with dash.app.run_test(size=SIZE) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, line)
        assert message in dash.told[0]
        assert dash.app.chat.prompt.text == line
