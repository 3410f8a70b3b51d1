"""Asks for a file's name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import UsageError

_HINT = "Its trace goes beside it. Enter saves, Esc does not."


class SaveScreen(ModalScreen[Path | None]):
    """Gives the file to save to, None if the user wants none.

    ``files_of`` tells which files that would write, or raises ``UsageError``. Those that exist are replaced only where
    Enter has been pressed twice.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Do not save", id="save.cancel")]

    def __init__(self, proposed: str, files_of: Callable[[Path], Sequence[Path]]) -> None:
        super().__init__()
        self._proposed, self._files_of = proposed, files_of
        self._warned: Path | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialogue save") as box:
            box.border_title = "save the conversation"
            yield Input(self._proposed, id="path")
            yield Static(_HINT, classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not event.value.strip():
            return
        path = Path(event.value.strip()).expanduser()
        try:
            there = [file.name for file in self._files_of(path) if file.exists()]
        except UsageError as error:
            self._tell(str(error))
            return
        if there and path != self._warned:
            self._warned = path
            self._tell(f"{' and '.join(there)} would be replaced: Enter again does it, Esc does not.")
            return
        self.dismiss(path)

    def _tell(self, text: str) -> None:
        self.query_one(".hint", Static).update(one_line(text))
