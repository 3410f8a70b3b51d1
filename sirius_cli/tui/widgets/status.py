"""The top line: what runs, and what it does at the moment."""

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from sirius_cli.core.safe_text import one_line
from sirius_cli.tui.glyphs import ASCII_SPINNER, SPINNER
from sirius_cli.tui.phases import Told

_TICKS_A_FRAME = 5


class Status(Widget):
    """One line. The spinner turns while ``animate`` is set."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status--name",
        "status--about",
        "status--calm",
        "status--busy",
        "status--good",
        "status--warn",
        "status--bad",
    }

    def __init__(self, *, ascii_only: bool, animate: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._frames = ASCII_SPINNER if ascii_only else SPINNER
        self._turning = animate
        self._ticks = 0
        self._shown: tuple[Told, str, str] | None = None

    def show(self, told: Told, about: str) -> None:
        """Tell ``told`` on the right, ``about`` on the left. Draws only what is new."""
        self._ticks += self._turning
        frame = self._frames[self._ticks // _TICKS_A_FRAME % len(self._frames)]
        shown = (told, about, frame if told.sign is None else told.sign)
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def render(self) -> Text:
        if self._shown is None:
            return Text()
        told, about, sign = self._shown
        left = Text.assemble(("sirius", self._look("name")), ("  " + one_line(about), self._look("about")))
        right = Text(f"{sign} {told.text}", self._look(told.look))
        width = self.content_size.width
        left.truncate(max(0, width - right.cell_len - 2), overflow="ellipsis")
        right.truncate(width, overflow="ellipsis")
        return Text.assemble(left, " " * max(0, width - left.cell_len - right.cell_len), right, no_wrap=True)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"status--{name}", partial=True)
