"""Opens the dashboard, or plays a recording in lines where there is no terminal for it."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirius_cli.cli import browser, diagnostics, reports, stream, terminal
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sirius_cli.cli.turn import Look
    from sirius_cli.core.profile import Profile
    from sirius_cli.services.chat_commands import Setup
    from sirius_cli.services.feed import Feed
    from sirius_cli.services.session import ModelChoice
    from sirius_cli.tui.run import Opening
    from sirius_cli.tui.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user said about the dashboard."""

    prompt: str | None = None
    go_on: bool = False
    replay: Path | None = None
    speed: float | None = None
    inline: bool = False
    theme: str | None = None
    screenshot: Path | None = None
    cast: Path | None = None

    def __post_init__(self) -> None:
        if self.cast is not None and (self.inline or self.screenshot is not None):
            raise UsageError("--cast records a whole screen", "leave out --inline and --screenshot")
        if self.speed is not None and self.replay is None:
            raise UsageError("--speed is that of a replay", "add --replay TRACE")
        if self.replay is not None and (self.prompt is not None or self.go_on):
            raise UsageError("a replay takes no questions", "leave out --replay, or the prompt and --continue")

    def check_look(self, look: "Look") -> None:
        """Refuse what a recording or a picture cannot be.

        Raises:
            UsageError: if something of that kind was asked for.
        """
        for name, given in (("--json", look.as_json), ("--jsonl", look.jsonl), ("--trace", look.trace is not None)):
            if given and self.replay is not None:
                raise UsageError(f"{name} is for new answers, not for a replay", "read the trace itself, it is JSON")
            if given and self.screenshot is not None and name != "--trace":
                raise UsageError(f"{name} is for answers, not for a picture", "give one of them")
        reports.expect_writable(self.screenshot, reads=(self.replay,))

    def check_web(self) -> None:
        """Refuse what a browser's dashboards cannot do.

        Raises:
            UsageError: if something of that kind was asked for.
        """
        if self.inline or any((self.replay, self.screenshot, self.cast)):
            raise UsageError("--web opens live dashboards", "leave out --replay, --screenshot, --cast and --inline")

    def check_plain(self, typed: Sequence[str]) -> None:
        """Refuse what only the dashboard can do. How it is drawn may be said by a variable, but not be ``typed``.

        Raises:
            UsageError: if something of that kind was asked for.
        """
        drawn = ((name, name in typed) for name in ("--inline", "--theme"))
        for name, given in (("--continue", self.go_on), ("--cast", self.cast is not None), *drawn):
            if given:
                raise UsageError(
                    f"{name} needs the dashboard", "start on a terminal, without a prompt and without --plain"
                )


def fits(look: "Look") -> bool:
    """Whether there is a terminal for a dashboard, which is drawn on standard error, and it is wanted."""
    return not look.plain and all(terminal.abilities(stream).ansi for stream in (sys.stdout, sys.stderr))


def show(wish: Wish, setup: "Setup", choice: "ModelChoice", look: "Look") -> ExitCode:
    """Open the dashboard as ``wish`` says, or draw it into a file.

    Raises:
        SiriusError: if it cannot be opened.
    """
    on_terminal = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
    if wish.replay is not None and wish.screenshot is None and not (on_terminal and fits(look)):
        return _replay_in_lines(wish.replay, 1.0 if wish.speed is None else wish.speed, look)
    from sirius_cli.tui import run

    opening, feed = _replaying(wish, setup, look) if wish.replay else _talking(wish, setup, choice, look)
    if wish.screenshot is not None:
        run.picture_of(feed, opening, wish.screenshot)
    else:
        run.run_chat(feed, opening)
    return ExitCode.OK


def _talking(wish: Wish, setup: "Setup", choice: "ModelChoice", look: "Look") -> "tuple[Opening, Feed]":
    shelf, newest = _shelf(setup, choice)
    if wish.go_on and newest is None:
        raise UsageError("there is no conversation to go on with", "leave out --continue")
    opening = opening_for(wish, setup, look, shelf=shelf, resumed=newest if wish.go_on else None)
    return opening, engine(choice, setup.resolved.profile)


def engine(choice: "ModelChoice", profile: "Profile") -> "Feed":
    """An engine in a process of its own; for a browser's tab, the one that all tabs share."""
    from sirius_cli.services.engine_process import EngineProcess
    from sirius_cli.services.shared_engine import SharedEngine

    door = browser.engine_of_tab()
    return EngineProcess(choice, profile) if door is None else SharedEngine(choice, profile, door)


def _replaying(wish: Wish, setup: "Setup", look: "Look") -> "tuple[Opening, Feed]":
    from sirius_cli.services.replay_feed import ReplayFeed

    assert wish.replay is not None
    usual = math.inf if wish.screenshot is not None else 1.0
    feed = ReplayFeed(wish.replay, usual if wish.speed is None else wish.speed)
    header = feed.header
    resolved = replace(setup.resolved, profile=header.profile, origins=header.origins)
    recorded = replace(setup, resolved=resolved, spec=replace(setup.spec, sampling=header.sampling))
    return opening_for(wish, recorded, look, replay=feed), feed


def opening_for(wish: Wish, setup: "Setup", look: "Look", **more: Any) -> "Opening":
    """What the dashboard is opened with; ``more`` are fields of it."""
    from sirius_cli.config.settings import load_settings
    from sirius_cli.tui.run import Opening

    return Opening(
        setup=setup,
        settings=load_settings().settings,
        theme=wish.theme,
        trace=look.trace,
        inline=wish.inline,
        no_colour=not look.colour,
        prompt=wish.prompt,
        cast=wish.cast,
        **more,
    )


def _shelf(setup: "Setup", choice: "ModelChoice") -> "tuple[Shelf, str | None]":
    from sirius_cli.services.conversations import Conversations, Keeper
    from sirius_cli.tui.shelf import Shelf

    store = Conversations()
    listed = store.list()
    keeper = Keeper(store, choice.model, setup.resolved.profile.name)
    return Shelf(store, keeper), listed[0].header.id if listed else None


def _replay_in_lines(path: Path, speed: float, look: "Look") -> ExitCode:
    """The recorded answers on standard output, their figures on standard error, at the recorded pace."""
    from sirius_cli.core.events import Finished, StepEvent
    from sirius_cli.core.metrics import fold
    from sirius_cli.core.trace import read_trace, replay

    trace = read_trace(path)
    view = stream.TextView(stream.correction_style(colour=look.colour, plain=look.plain))
    seen: list[StepEvent] = []
    for event in replay(trace, speed):
        view(event)
        seen.append(event)
        if isinstance(event, Finished):
            view.end()
            diagnostics.note(stream.figures(fold(seen), event.reason))
            seen.clear()
    view.end()
    if trace.damage is not None:
        diagnostics.note(trace.damage)
    return ExitCode.OK
