"""The application: a clock that drains the feed, and what keys and commands do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver

from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import SiriusError
from sirius_cli.services import saving
from sirius_cli.services.modes import Mode
from sirius_cli.tui import editor, themes
from sirius_cli.tui.actions import COMMANDS, Actions
from sirius_cli.tui.answer import Trouble
from sirius_cli.tui.commands import Palette
from sirius_cli.tui.pace import Pace
from sirius_cli.tui.screens.chat import ChatScreen
from sirius_cli.tui.screens.compare import CompareScreen
from sirius_cli.tui.screens.error import Choice, ErrorScreen
from sirius_cli.tui.screens.help import HelpScreen
from sirius_cli.tui.screens.picker import PickerScreen
from sirius_cli.tui.screens.save import SaveScreen
from sirius_cli.tui.themed_app import ThemedApp
from sirius_cli.tui.widgets.prompt import Prompt

_PATIENCE_S = 2.0
"""Within this time a second Ctrl-C quits."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the dashboard is drawn. ``animate`` False holds everything that moves by itself."""

    theme: str = themes.DEFAULT
    ascii_only: bool = False
    no_colour: bool = False
    markdown: bool = False
    animate: bool = True
    refresh_hz: int = 25


class ChatApp(ThemedApp):
    """``sirius chat`` on a terminal. ``tick`` takes in what has happened; a timer calls it.

    ``pace`` limits what drawing takes while an answer is made; None draws at every tick. ``settled`` is called after
    every look at a state in which nothing more is on its way. ``fault`` is the exception that ended the application,
    if one did.
    """

    CSS_PATH = "app.tcss"
    TITLE = "sirius"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Palette}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Stop, twice quits", id="app.interrupt", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "Palette", id="app.palette", priority=True),
        Binding("f1", "help", "Help", id="app.help", priority=True),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", show=False, priority=True),
    ]

    def __init__(self, actions: Actions, look: Look, *, driver_class: type[Driver] | None = None) -> None:
        super().__init__(look.theme, no_colour=look.no_colour, ascii_only=look.ascii_only, driver_class=driver_class)
        self.actions = actions
        self.look = look
        self.chat = ChatScreen(actions, markdown=look.markdown, ascii_only=look.ascii_only, animate=look.animate)
        actions.leave = self.exit
        actions.compare = self.compare
        self.fault: Exception | None = None
        self.settled: Callable[[], None] | None = None
        self._interrupted = -_PATIENCE_S
        self._told: Trouble | None = None
        self.pace = Pace() if look.animate else None

    async def on_mount(self) -> None:
        if self.look.ascii_only:
            self.add_class("-ascii")
        if not self.look.animate:
            self.animation_level = "none"
        await self.push_screen(self.chat)
        self.actions.feed.start()
        self.set_interval(1 / self.look.refresh_hz, self.tick)

    def on_unmount(self) -> None:
        self.actions.feed.close()

    def tick(self) -> None:
        """Take in what has happened, and show it."""
        if not self.screen_stack:  # the clock strikes once more while the application closes
            return
        self.actions.tick()
        if self._is_time_to_draw():
            self.chat.sync()
            if isinstance(self.screen, CompareScreen):
                self.screen.sync()
        trouble = self.actions.state.trouble
        if trouble is not None and trouble is not self._told:
            self._bring_prompt_back()
            self.push_screen(ErrorScreen(trouble), self._after_trouble)
        self._told = trouble
        if self.settled is not None and self.actions.at_rest:
            self.call_after_refresh(self.settled)

    def submit(self, text: str) -> bool:
        """Ask ``text`` or do the command in it. Returns whether that could be; why not has been told."""
        done = self._try(lambda: self.actions.submit(text))
        self.chat.sync()
        return done

    def compare(self, prompt: str) -> None:
        """Answer ``prompt`` in every mode, side by side.

        Raises:
            UsageError: if nothing can be asked now.
        """
        lanes = self.actions.compare_lanes(prompt)
        self.push_screen(CompareScreen(prompt, lanes, self.actions.abandon_lanes))

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        if self.submit(message.text):
            self.chat.prompt.remember(message.text)
        else:
            self.chat.prompt.replace_text(message.text + self.chat.prompt.text)

    def action_leave_prompt(self) -> None:
        self.chat.leave_prompt()

    def action_hold(self) -> None:
        replay = self.actions.replay
        if replay is not None:
            replay.pause(not replay.paused)

    def action_interrupt(self) -> None:
        now = monotonic()
        if now - self._interrupted < _PATIENCE_S:
            self.exit()
            return
        self._interrupted = now
        if isinstance(self.screen, CompareScreen):
            self.actions.abandon_lanes()
        stopped = self.actions.stop()
        self._say(f"{'Stopping. ' if stopped else ''}Ctrl-C once more quits.")

    def action_stop(self) -> None:
        self.actions.stop()

    def action_regenerate(self) -> None:
        self._try(self.actions.regenerate)
        self.chat.sync()

    def action_new(self) -> None:
        self._try(self.actions.begin_anew)
        self.chat.sync()
        self.chat.action_write()

    def action_cycle_mode(self) -> None:
        self.actions.cycle_mode()

    def action_use_mode(self, mode: Mode) -> None:
        self.actions.use_mode(mode)

    def action_compare(self) -> None:
        last = self.actions.state.last
        prompt = self.chat.prompt.text.strip() or (last.prompt if last else None) or ""
        self._try(lambda: self.compare(prompt))

    def action_copy_answer(self) -> None:
        selected = self.chat.get_selected_text()
        last = self.actions.state.last
        text = selected or (last.answer.text if last else "")
        if text:
            self.copy_to_clipboard(text)
            self._say("The selection is copied." if selected else "The answer is copied.")
        else:
            self._warn("there is no answer to copy yet")

    def action_save(self) -> None:
        self.push_screen(SaveScreen("conversation.md", saving.files_of), self._save)

    def action_pick(self) -> None:
        shelf = self.actions.shelf
        if shelf is None:
            self._warn("conversations are not saved here")
        else:
            self._try(lambda: self.push_screen(PickerScreen(shelf.all()), self._resume))

    def action_edit(self) -> None:
        try:
            with self.suspend():
                text = editor.edit(self.chat.prompt.text, self.actions.env)
        except SuspendNotSupported:
            self._warn("an editor cannot be opened here")
        except SiriusError as error:
            self._warn(str(error))
        else:
            self.chat.prompt.replace_text(text)

    def action_restart(self) -> None:
        self.actions.restart()
        self.chat.sync()

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self._help()))

    def action_use_theme(self, name: str) -> None:
        self.theme = name

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done is not offered; its key goes to whoever else wants it."""
        match action:
            case "restart":
                return self.actions.state.phase == "gone"
            case "stop":
                return self.actions.stoppable
            case "leave_prompt":
                return not self.actions.stoppable
            case "hold":
                return self.actions.replay is not None and not self.actions.replay.ended
            case "regenerate" | "new" | "save" | "edit" | "pick" | "compare" | "cycle_mode":
                return not self.actions.state.adopts
        return True

    def _is_time_to_draw(self) -> bool:
        """Always, but for an answer in the making, whose engine needs this core too."""
        return self.pace is None or not self.actions.state.answering or self.pace.is_due()

    def _handle_exception(self, error: Exception) -> None:
        self.fault = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Leave without Textual's traceback, which shows variables: prompts are private, and the caller reports."""
        self._close_messages_no_wait()

    def _save(self, path: Path | None) -> None:
        if path is not None:
            self._try(lambda: self._say(" and ".join(map(str, self.actions.save(path))) + " are written."))

    def _resume(self, id: str | None) -> None:
        if id is not None:
            self._try(lambda: self.actions.resume(id))
            self.chat.sync()

    def _after_trouble(self, choice: Choice | None) -> None:
        if choice == "restart":
            self.action_restart()
        elif choice == "quit":
            self.exit()

    def _bring_prompt_back(self) -> None:
        """What could not be answered can be sent again."""
        last = self.actions.state.last
        if last is not None and last.prompt and last.answer.phase == "error" and not self.chat.prompt.text:
            self.chat.prompt.replace_text(last.prompt)

    def _help(self) -> dict[str, list[tuple[str, str]]]:
        groups = {"Writing": Prompt.BINDINGS, "The conversation": ChatScreen.BINDINGS, "Everywhere": ChatApp.BINDINGS}
        keys = {
            title: [self._row(one) for one in bindings if isinstance(one, Binding)]
            for title, bindings in groups.items()
        }
        return {**keys, "Commands in the prompt": list(COMMANDS.items())}

    def _row(self, binding: Binding) -> tuple[str, str]:
        keys = self._keymap.get(binding.id or "", binding.key)
        shown = [self.get_key_display(binding.with_key(key)) for key in keys.split(",")]
        return " ".join(shown), binding.tooltip or binding.description

    def _try(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except SiriusError as error:
            self._warn(str(error))
            return False
        return True

    def _say(self, text: str) -> None:
        self.notify(one_line(text), markup=False, timeout=_PATIENCE_S)

    def _warn(self, text: str) -> None:
        self.notify(one_line(text), severity="warning", markup=False)
