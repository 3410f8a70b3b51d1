"""Earlier conversations, to go on with one."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sirius_cli.core.safe_text import one_line
from sirius_cli.tui.shelf import Kept

_TITLE_CELLS = 60


class PickerScreen(ModalScreen[str | None]):
    """Gives the id of the conversation that the user picked, None if none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close", id="picker.close")]

    def __init__(self, choices: Sequence[Kept]) -> None:
        super().__init__()
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialogue picker") as box:
            box.border_title = "conversations"
            if self._choices:
                yield OptionList(*map(_option, self._choices))
                yield Static("Enter goes on with one, Esc closes.", classes="hint", markup=False)
            else:
                yield Static("None is saved yet. Esc closes.", classes="hint", markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


def _option(choice: Kept) -> Option:
    title = Text(one_line(choice.title))
    title.truncate(_TITLE_CELLS, overflow="ellipsis")
    return Option(Text.assemble(title, "\n", (one_line(choice.about), "dim")), id=choice.id)
