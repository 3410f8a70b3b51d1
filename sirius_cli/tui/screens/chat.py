"""The dashboard's first screen: the conversation on the left, what sparsity and correction do on the right."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from sirius_cli.tui.actions import Actions
from sirius_cli.tui.answer import About, AnswerFold
from sirius_cli.tui.phases import tell
from sirius_cli.tui.state import ChatState
from sirius_cli.tui.widgets.conversation import Conversation
from sirius_cli.tui.widgets.correction import CorrectionDetail
from sirius_cli.tui.widgets.prompt import Prompt
from sirius_cli.tui.widgets.side import Brief, Side
from sirius_cli.tui.widgets.status import Status
from sirius_cli.tui.widgets.welcome import Welcome

_WIDTHS = [(0, "-tiny"), (40, "-narrow"), (100, "-wide"), (160, "-broad")]
_HEIGHTS = [(0, "-flat"), (10, "-low"), (30, "-tall")]
_PANEL_TICKS = 5
"""The charts are drawn at every fifth tick: nobody can follow more, and drawing them costs the most."""


class ChatScreen(Screen[None]):
    """Draws the state; ``sync`` makes it catch up. What keys do is the application's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.stop", "Stop", id="chat.stop", tooltip="Stop the answer"),
        Binding("escape", "unpoint", "Close", id="view.close", tooltip="Close the correction"),
        Binding("space", "app.hold", "Pause", id="replay.pause", tooltip="Let a replay stand still, or go on"),
        Binding("i,enter", "write", "Write", id="chat.write", tooltip="Go to the prompt"),
        Binding(
            "left_square_bracket",
            "step(-1)",
            "Previous",
            key_display="[",
            id="view.previous",
            tooltip="The correction before",
        ),
        Binding(
            "right_square_bracket", "step(1)", "Next", key_display="]", id="view.next", tooltip="The next correction"
        ),
        Binding(
            "d", "app.cycle_mode", "Mode", id="chat.mode", tooltip="Answer by corrected drafts, drafts alone or densely"
        ),
        Binding("c", "app.compare", "Compare", id="chat.compare", tooltip="Answer one prompt in every mode"),
        Binding(
            "m",
            "markdown",
            "Markdown",
            id="view.markdown",
            tooltip="Finished answers as rendered Markdown, or as they are",
        ),
        Binding("p", "pause", "Hold", id="view.pause", tooltip="Hold the charts still"),
        Binding("s", "side", "Charts", id="view.side", tooltip="Show or hide the right-hand side"),
        Binding("end,G", "follow", "To the end", id="view.end", show=False),
        Binding("ctrl+r", "app.regenerate", "Answer again", id="chat.regenerate", show=False, priority=True),
        Binding("ctrl+n", "app.new", "New conversation", id="chat.new", show=False, priority=True),
        Binding("ctrl+y", "app.copy_answer", "Copy the answer", id="chat.copy", show=False, priority=True),
        Binding("ctrl+s", "app.save", "Save", id="chat.save", show=False, priority=True),
        Binding("ctrl+o", "app.pick", "Earlier conversations", id="chat.pick", show=False, priority=True),
        Binding("ctrl+g", "app.edit", "Write in $EDITOR", id="prompt.editor", show=False, priority=True),
        Binding("ctrl+e", "app.restart", "Start the engine again", id="chat.restart", show=False, priority=True),
    ]
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS

    def __init__(self, actions: Actions, *, markdown: bool, ascii_only: bool, animate: bool) -> None:
        super().__init__()
        self._actions = actions
        self.prompt = Prompt(id="prompt")
        self.conversation = Conversation(actions.state, markdown=markdown, id="conversation")
        self._status = Status(ascii_only=ascii_only, animate=animate, id="status")
        self._welcome = Welcome(id="welcome")
        self._correction = CorrectionDetail(id="correction")
        self._brief = Brief(ascii_only=ascii_only, id="brief")
        self._side = Side(ascii_only=ascii_only, id="side")
        self._panel_ticks = _PANEL_TICKS if animate else 1
        self._ticks = 0
        self._paused = False
        self._stoppable = False
        self._drawn: tuple[AnswerFold | None, int, About] | None = None

    def compose(self) -> ComposeResult:
        yield self._status
        with Horizontal(id="main"):
            with Vertical(id="talk"):
                yield self._welcome
                yield self.conversation
                yield self._correction
                yield self._brief
                yield self.prompt
            yield self._side
        yield Footer(show_command_palette=False, compact=True)
        yield Static("This terminal is too small.\nThe dashboard needs 40 columns and 10 lines.", id="too-small")

    def on_mount(self) -> None:
        self.prompt.focus()
        self.prompt.border_title = "prompt"
        if self.state.adopts:
            self.prompt.display = False
            self.conversation.focus()
        self.sync()

    @property
    def state(self) -> ChatState:
        return self._actions.state

    def sync(self) -> None:
        """Catch up with the state. Costs what changed."""
        replay = self._actions.replay
        told = tell(self.state, paused=replay is not None and replay.paused)
        self._status.show(told, _about(self.state.about.model, self._actions.profile.name))
        self._welcome.sync(self.state)
        self.conversation.display = bool(self.state.entries)
        self.conversation.sync()
        self._sync_panel()
        if self._stoppable != self._actions.stoppable:
            self._stoppable = self._actions.stoppable
            self.refresh_bindings()

    def _sync_panel(self) -> None:
        current = self.state.current
        drawn = (current, current.version if current else 0, self.state.about)
        self._ticks += 1
        is_due = self._ticks % self._panel_ticks == 0 or current is None or current.ended
        if self._paused or not is_due or drawn == self._drawn:
            return
        self._drawn = drawn
        panel = self.state.panel
        self._side.update(panel)
        self._brief.update(panel)

    def on_conversation_shown(self, message: Conversation.Shown) -> None:
        self._correction.show(message.pointed)
        self.refresh_bindings()

    def action_write(self) -> None:
        if self.prompt.display:
            self.prompt.focus()

    def action_step(self, by: int) -> None:
        self.conversation.step(by)

    def action_unpoint(self) -> None:
        self.conversation.forget_pointed()

    def action_markdown(self) -> None:
        self.conversation.toggle_markdown()

    def action_pause(self) -> None:
        self._paused = not self._paused
        self._side.set_class(self._paused, "-paused")
        self.sync()

    def action_side(self) -> None:
        self.toggle_class("-side")

    def action_follow(self) -> None:
        self.conversation.scroll_end(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "unpoint":
                return self.conversation.pointed is not None
            case "step":
                return self.conversation.display
            case "write":
                return self.prompt.display and not self.prompt.has_focus
        return True

    def leave_prompt(self) -> None:
        """Let the letters be keys."""
        if self.conversation.display:
            self.conversation.focus()
        else:
            self.set_focus(None)


def _about(model: str, profile: str) -> str:
    return " · ".join(filter(None, (model, profile)))
