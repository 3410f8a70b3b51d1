"""Asks for a file's name."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class SaveScreen(ModalScreen[Path | None]):
    """Gives the file to save to, None if the user wants none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Do not save", id="save.cancel")]

    def __init__(self, proposed: str) -> None:
        super().__init__()
        self._proposed = proposed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialogue save") as box:
            box.border_title = "save the conversation"
            yield Input(self._proposed, id="path")
            yield Static("Its trace goes beside it. Enter saves, Esc does not.", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(Path(event.value.strip()).expanduser())
