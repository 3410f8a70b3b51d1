"""Opens the dashboard: the one door for the command line."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from sirius_cli.config.settings import Settings
from sirius_cli.services.chat_commands import Setup
from sirius_cli.services.feed import Feed
from sirius_cli.services.recording import LiveTrace
from sirius_cli.services.reports.saving import save
from sirius_cli.tui import keymap, themes
from sirius_cli.tui.actions import Actions, Replay
from sirius_cli.tui.app import ChatApp, Look
from sirius_cli.tui.cast import recorded
from sirius_cli.tui.glyphs import needs_ascii
from sirius_cli.tui.screens.chat import ChatScreen
from sirius_cli.tui.screens.compare import CompareScreen
from sirius_cli.tui.screens.error import ErrorScreen
from sirius_cli.tui.screens.help import HelpScreen
from sirius_cli.tui.screens.picker import PickerScreen
from sirius_cli.tui.screens.save import SaveScreen
from sirius_cli.tui.shelf import Shelf
from sirius_cli.tui.state import ChatState
from sirius_cli.tui.widgets.prompt import Prompt

_PICTURE_SIZE = (120, 40)
_CALM_TICKS = 3
"""The footer follows a moment after what can be done has changed."""
_OWNERS = (ChatApp, ChatScreen, Prompt, CompareScreen, ErrorScreen, HelpScreen, PickerScreen, SaveScreen)


@dataclass(frozen=True, slots=True)
class Opening:
    """What the dashboard is opened with.

    ``resumed`` is the id of a kept conversation to go on with. ``replay`` is the feed where that is a recording: then
    nothing can be asked. ``prompt`` is asked at once. What is drawn is recorded in ``cast``. ``attend`` is
    called whenever nothing more is on its way.
    """

    setup: Setup
    settings: Settings = field(default_factory=Settings)
    theme: str | None = None
    shelf: Shelf | None = None
    resumed: str | None = None
    replay: Replay | None = None
    trace: Path | None = None
    inline: bool = False
    no_colour: bool = False
    prompt: str | None = None
    cast: Path | None = None
    attend: Callable[[ChatApp], None] | None = None


def run_chat(feed: Feed, opening: Opening) -> None:
    """Show the dashboard until the user leaves it.

    Raises:
        SiriusError: for a wrong theme or key, a trace or a conversation that cannot be opened.
    """
    with ExitStack() as stack:
        app = _app(feed, opening, stack, animate=True)
        if opening.attend is not None:
            app.settled = partial(opening.attend, app)
        app.run(inline=opening.inline)
    if app.fault is not None:
        raise app.fault


def picture_of(feed: Feed, opening: Opening, path: Path) -> None:
    """Draw the dashboard into an SVG file once nothing more happens in it. No terminal is needed.

    Its size is that of COLUMNS and LINES, or of the terminal.

    Raises:
        SiriusError: as :func:`run_chat`; UsageError if the file cannot be written.
    """
    with ExitStack() as stack:
        app = _app(feed, opening, stack, animate=False)
        pictures: list[str] = []

        looks = count()

        def draw() -> None:
            if next(looks) < _CALM_TICKS:
                return
            pictures.append(app.export_screenshot(simplify=True))
            app.exit()

        app.settled = draw
        app.run(headless=True, size=shutil.get_terminal_size(_PICTURE_SIZE))
    if app.fault is not None:
        raise app.fault
    save(path, pictures[-1])


def _app(feed: Feed, opening: Opening, stack: ExitStack, *, animate: bool) -> ChatApp:
    settings = opening.settings
    theme = opening.theme or settings.theme or themes.DEFAULT
    keys = keymap.part(settings.keymap, inspector=False)
    keymap.check(keys, [binding for owner in _OWNERS for binding in owner.BINDINGS])
    look = Look(
        theme=theme,
        no_colour=opening.no_colour,
        ascii_only=needs_ascii() if settings.ascii is None else settings.ascii,
        markdown=settings.show_markdown,
        animate=animate,
        refresh_hz=settings.refresh_hz,
    )
    driver = None
    if opening.cast is not None:
        driver = stack.enter_context(recorded(opening.cast, themes.catalogue().choose(theme)))
    app = ChatApp(_actions(feed, opening, stack), look, driver_class=driver)
    app.set_keymap(keys)
    return app


def _actions(feed: Feed, opening: Opening, stack: ExitStack) -> Actions:
    state = ChatState(adopts=opening.replay is not None, profile=opening.setup.resolved.profile)
    actions = Actions(feed, state, opening.setup, opening.shelf, replay=opening.replay)
    if opening.trace is not None:
        resolved, sampling = opening.setup.resolved, opening.setup.spec.sampling
        recorder = LiveTrace(opening.trace, resolved.profile, resolved.origins, sampling)
        actions.recorder = stack.enter_context(recorder)
    if opening.resumed is not None:
        actions.resume(opening.resumed)
    if opening.prompt is not None:
        actions.ask(opening.prompt)
    return actions
