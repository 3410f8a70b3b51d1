"""One correction in words: what the draft had wanted, what the dense model made of it, and how sure it was."""

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from sirius_cli.core.safe_text import neutralise
from sirius_cli.tui.widgets.conversation import Pointed


class CorrectionDetail(Widget):
    """Shows one correction; hidden when there is none."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"correction--draft", "correction--dense", "correction--fact"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pointed: Pointed | None = None
        self.display = False

    def show(self, pointed: Pointed | None) -> None:
        """Show ``pointed``, or nothing."""
        self._pointed = pointed
        self.display = pointed is not None
        self.refresh()

    def render(self) -> Text:
        return Text() if self._pointed is None else self._told(self._pointed)

    def _told(self, pointed: Pointed) -> Text:
        said = pointed.answer.said[pointed.token]
        token, fact = said.token, self._look("fact")
        number = pointed.answer.corrections.index(pointed.token) + 1
        text = Text("draft ", fact, no_wrap=True, overflow="ellipsis")
        text.append(quoted(token.draft_text or "?"), self._look("draft"))
        text.append(_probability(token.p_draft), fact)
        text.append(" → dense ", fact)
        text.append(quoted(token.text), self._look("dense"))
        text.append(_probability(token.p), fact)
        text.append(f"\ncorrection {number} of {len(pointed.answer.corrections)}", fact)
        text.append(f", window {said.window}, token {pointed.token + 1}", fact)
        if token.entropy is not None:
            text.append(f", entropy {token.entropy:.2f} nats", fact)
        return text

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"correction--{name}", partial=True)


def quoted(text: str) -> str:
    """``text`` in quotes, on one line, its newlines and tabs visible."""
    return "“" + neutralise(text).replace("\n", "⏎").replace("\t", "␉") + "”"


def _probability(p: float | None) -> str:
    return "" if p is None else f" {p:.1%}"
