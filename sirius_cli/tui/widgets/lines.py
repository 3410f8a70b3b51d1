"""A widget that draws plain lines, and draws them anew only when what they show has changed."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.panel import Panel

Part = TypeVar("Part")


class Lines(Widget, Generic[Part]):
    """Shows one ``part`` of a panel; ``draw`` makes lines of it for a size.

    A run's kind names the component class that gives its look, after ``prefix``: ``chart--axis`` for "axis".
    """

    def __init__(
        self,
        prefix: str,
        part: Callable[[Panel], Part],
        draw: Callable[[Part, Size], Iterable[Line]],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._prefix = prefix
        self._part_of = part
        self._draw = draw
        self._part: Part | None = None
        self._strips: list[Strip] | None = None

    def update(self, panel: Panel) -> None:
        """Show ``panel``. Costs a comparison where this part of it is as before."""
        part = self._part_of(panel)
        if part != self._part:
            self._part = part
            self.redraw()

    def redraw(self) -> None:
        """Draw the same part anew."""
        self._strips = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._strips is None:
            self._strips = self._drawn()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = None

    def on_resize(self) -> None:
        self.redraw()

    def _drawn(self) -> list[Strip]:
        if self._part is None:
            return []
        base, width = self.rich_style, self.size.width
        looks: dict[str, Style] = {}
        strips = []
        for line in self._draw(self._part, self.size):
            segments = [Segment(run.text, base + self._look(run.kind, looks)) for run in line]
            strips.append(Strip(segments).crop_extend(0, width, base))
        return strips

    def _look(self, kind: str, looks: dict[str, Style]) -> Style:
        if kind not in looks:
            name = f"{self._prefix}--{kind}"
            looks[kind] = self.get_component_rich_style(name, partial=True) if kind else Style.null()
        return looks[kind]


def spread(left: list[Run], right: list[Run], width: int) -> Line:
    """``left`` and ``right`` at the ends of a line; what does not fit of ``right`` goes first."""
    used = sum(len(run.text) for run in left)
    while right and used + 1 + sum(len(run.text) for run in right) > width:
        right = right[1:]
    gap = width - used - sum(len(run.text) for run in right)
    return (*left, Run(" " * max(0, gap)), *right)
