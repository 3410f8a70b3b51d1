"""An answer with its corrections marked. Lines are made once for a width and drawn when seen."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sirius_cli.core.safe_text import width
from sirius_cli.services.inspection.facts import Correction, Request
from sirius_cli.services.inspection.wrapping import Line, Piece, without_blanks, wrap


class AnswerText(ScrollView, can_focus=True):
    """Shows one answer; the selected correction is kept in sight."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "answer-text--correction",
        "answer-text--bonus",
        "answer-text--lookup",
        "answer-text--selected",
    }

    class Chosen(Message):
        """A correction was clicked."""

        def __init__(self, correction: Correction) -> None:
            super().__init__()
            self.correction = correction

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._request: Request | None = None
        self._selected: int | None = None
        self._lines: list[Line] = []
        self._made_for: tuple[Request | None, int] = (None, 0)

    def show(self, request: Request | None, selected: int | None) -> None:
        """Show ``request`` with the token at index ``selected`` brought into sight."""
        self._request, self._selected = request, selected
        self._make_lines()
        self.refresh()
        self.call_after_refresh(self._scroll_to_selected)

    def on_resize(self, event: events.Resize) -> None:
        self._make_lines()
        self.call_after_refresh(self._scroll_to_selected)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        correction = self._at(*place) if place is not None else None
        if correction is not None:
            self.post_message(self.Chosen(correction))

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        base = self.rich_style
        line = self._lines[number] if number < len(self._lines) else ()
        return Strip(segment for piece in line for segment in self._segments(piece, base)).crop_extend(
            0, self.size.width, base
        )

    def _segments(self, piece: Piece, base: Style) -> list[Segment]:
        blanks, core = without_blanks(piece.text)
        return [Segment(blanks, base), Segment(core, base + self._style(piece.token))]

    def _make_lines(self) -> None:
        columns = self.scrollable_content_region.width - 1
        if columns < 1 or self._made_for == (self._request, columns):
            return  # before the first layout there is no width to make lines for
        self._made_for = (self._request, columns)
        self._lines = wrap(self._request, columns) if self._request else []
        self.virtual_size = Size(columns, len(self._lines))

    def _style(self, token: int) -> Style:
        name = "selected" if token == self._selected else self._origin(token)
        if name not in ("selected", "correction", "bonus", "lookup"):
            return Style.null()
        return self.get_component_rich_style(f"answer-text--{name}", partial=True)

    def _origin(self, token: int) -> str:
        tokens = self._request.tokens if self._request else ()
        return tokens[token].origin if token < len(tokens) else ""

    def _at(self, x: int, y: int) -> Correction | None:
        number, column = self.scroll_offset.y + y, 0
        for piece in self._lines[number] if number < len(self._lines) else ():
            column += width(piece.text)
            if x < column:
                tokens = self._request.tokens if self._request else ()
                return tokens[piece.token].correction if piece.token < len(tokens) else None
        return None

    def _scroll_to_selected(self) -> None:
        height = self.scrollable_content_region.height
        if self._selected is None or not height:
            return
        line = next((n for n, pieces in enumerate(self._lines) if pieces and pieces[-1].token >= self._selected), 0)
        if not self.scroll_offset.y <= line < self.scroll_offset.y + height:
            self.scroll_to(y=max(0, line - height // 2), animate=False)
