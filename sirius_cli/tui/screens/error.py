"""The engine has ended: why, and what can be done about it."""

from typing import ClassVar, Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from sirius_cli.core.safe_text import one_line
from sirius_cli.tui.answer import Trouble

Choice = Literal["restart", "stay", "quit"]


class ErrorScreen(ModalScreen[Choice]):
    """Shows ``trouble``; gives what the user chose."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r,enter", "choose('restart')", "Start again", id="error.restart"),
        Binding("escape", "choose('stay')", "Stay", id="error.stay"),
        Binding("q", "choose('quit')", "Quit", id="error.quit"),
    ]

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialogue error") as box:
            box.border_title = "the engine has ended"
            yield Static(Text(one_line(self._trouble.message)))
            if self._trouble.hint:
                yield Static(Text(one_line(self._trouble.hint)), classes="hint")
            yield Static("The conversation and your prompt are kept.", classes="hint", markup=False)
            yield Static("R starts another engine   Esc stays here   Q quits", classes="choices", markup=False)

    def action_choose(self, choice: Choice) -> None:
        self.dismiss(choice)
