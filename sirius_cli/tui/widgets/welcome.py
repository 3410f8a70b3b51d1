"""What an empty conversation shows: what this is, how far the model is, and how the marks look."""

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from sirius_cli.core.safe_text import one_line
from sirius_cli.tui.phases import working_text
from sirius_cli.tui.state import ChatState

_NAME = "s i r i u s"
_CLAIM = "a cheap draft writes, the dense model checks"


class Welcome(Widget):
    """Shown until there is something to read."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "welcome--name",
        "welcome--claim",
        "welcome--fact",
        "welcome--bad",
        "welcome--drafted",
        "welcome--corrected",
        "welcome--bonus",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[str, ...] = ()
        self._bad = False

    def sync(self, state: ChatState) -> None:
        """Catch up with the state."""
        self.display = not state.entries
        lines = tuple(map(one_line, _told(state)))
        if lines != self._lines:
            self._lines, self._bad = lines, state.phase == "gone"
            self.refresh()

    def render(self) -> Text:
        fact = self._look("bad" if self._bad else "fact")
        text = Text(justify="center")
        text.append(f"{_NAME}\n", self._look("name"))
        text.append(f"{_CLAIM}\n\n", self._look("claim"))
        for line in self._lines:
            text.append(f"{line}\n", fact)
        text.append("\n")
        text.append("drafted", self._look("drafted"))
        text.append("   ")
        text.append("corrected", self._look("corrected"))
        text.append("   ")
        text.append("bonus", self._look("bonus"))
        return text

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"welcome--{name}", partial=True)


def _told(state: ChatState) -> tuple[str, ...]:
    if state.adopts:
        return ("the replay begins",)
    match state.phase:
        case "working" if state.working is not None:
            return (working_text(state.working), "Esc stops")
        case "loading":
            return (f"loading {state.about.model}", "write already, it answers as soon as it can")
        case "starting":
            return ("starting the engine",)
        case "gone":
            return (state.trouble.message, state.trouble.hint) if state.trouble else ("the engine has ended",)
    return (state.about.model, "write, and press Enter")
