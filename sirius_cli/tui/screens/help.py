"""All keys, all slash commands."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class HelpScreen(ModalScreen[None]):
    """Lists what can be done. ``groups`` are titles with keys and what they do under them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter", "dismiss", "Close", id="help.close"),
    ]

    def __init__(self, groups: Mapping[str, Iterable[tuple[str, str]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialogue help") as box:
            box.border_title = "help"
            for title, rows in self._groups.items():
                yield Static(title, classes="help-title", markup=False)
                yield Static(_table(rows))


def _table(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=20, no_wrap=True)
    table.add_column()
    for name, text in rows:
        table.add_row(Text(name, "bold"), Text(text))
    return table
