"""The conversation: lines made once, drawn when seen. It follows its end unless the user scrolled away."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from sirius_cli.tui.answer import AnswerFold
from sirius_cli.tui.blocks import Block, block_for
from sirius_cli.tui.flow import NO_TOKEN, Line
from sirius_cli.tui.markdown import EXPLICIT
from sirius_cli.tui.state import ChatState, Exchange

_CACHED_LINES = 512


@dataclass(frozen=True, slots=True)
class Pointed:
    """A corrected token: its answer, and its place in it."""

    answer: AnswerFold
    token: int


class Conversation(ScrollView, can_focus=True):
    """Shows ``state``; ``sync`` makes it catch up. Corrections can be pointed at, by mouse or by key."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "conversation--prompt",
        "conversation--mark",
        "conversation--corrected",
        "conversation--bonus",
        "conversation--lookup",
        "conversation--drafted",
        "conversation--differing",
        "conversation--note",
        "conversation--warning",
        "conversation--pointed",
    }

    class Shown(Message):
        """Another correction is pointed at, or none."""

        def __init__(self, pointed: Pointed | None) -> None:
            super().__init__()
            self.pointed = pointed

    def __init__(self, state: ChatState, *, markdown: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.markdown = markdown
        self._state = state
        self._revision = -1
        self._blocks: list[Block] = []
        self._starts: list[int] = [0]
        self._strips: LRUCache[int, Strip] = LRUCache(_CACHED_LINES)
        self._follows = True
        self._selected: Pointed | None = None
        self._hovered: Pointed | None = None

    @property
    def pointed(self) -> Pointed | None:
        """The correction under the mouse, else the one chosen by key."""
        return self._hovered or self._selected

    def sync(self) -> None:
        """Catch up with the state. Costs what changed. Without a size, it waits for one."""
        if not self.size.width:
            return
        if self._revision != self._state.revision:
            self._rebuild()
            return
        changed = [] if (new := self._append()) is None else [new]
        for start, block in zip(self._starts, self._blocks, strict=False):
            if (line := block.sync()) is not None:
                changed.append(start + line)
        if changed:
            self._changed_from(min(changed))

    def toggle_markdown(self) -> None:
        """Show finished answers as rendered Markdown, or as they are."""
        self.markdown = not self.markdown
        self._rebuild()

    def step(self, by: int) -> None:
        """Point at the next (``by`` 1) or the previous (-1) correction, and scroll to it."""
        places = list(self._corrections())
        if not places:
            return
        if self._selected in places:
            index = (places.index(self._selected) + by) % len(places)
        else:
            index = 0 if by > 0 else len(places) - 1
        self._select(places[index])
        self._scroll_to_pointed()

    def forget_pointed(self) -> None:
        """Point at nothing."""
        self._hovered = None
        self._select(None)

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        if number >= self._starts[-1]:
            return Strip.blank(self.size.width, self.rich_style)
        selection = self.text_selection
        strip = None if selection is not None else self._strips.get(number)
        if strip is None:
            strip = self._strip(number, selection)
            if selection is None:
                self._strips[number] = strip
        return strip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        text = "\n".join(_text(line) for block in self._blocks for line in block.lines)
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._follows = self.is_vertical_scroll_end

    def on_resize(self, event: events.Resize) -> None:
        self._rebuild()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover(self._at(event.x, event.y))

    def on_leave(self, event: events.Leave) -> None:
        self._hover(None)

    def on_click(self, event: events.Click) -> None:
        self._select(self._at(event.x, event.y))

    @property
    def _width(self) -> int:
        return max(8, self.scrollable_content_region.width - 1)

    def _rebuild(self) -> None:
        self._revision = self._state.revision
        self._blocks = []
        self._starts = [0]
        self._append()
        for block in self._blocks:
            block.sync()
        self._changed_from(0)

    def _append(self) -> int | None:
        """Blocks for entries that are new. Returns the first new line."""
        entries = self._state.entries
        if len(self._blocks) == len(entries):
            return None
        first = self._starts[-1]
        for entry in entries[len(self._blocks) :]:
            self._blocks.append(block_for(entry, self._width, markdown=self.markdown))
        self._count()
        return first

    def _count(self) -> None:
        self._starts = [0, *accumulate(len(block.lines) for block in self._blocks)]

    def _changed_from(self, first: int) -> None:
        follows = self._follows
        self._count()
        before = self.virtual_size.height
        last = max(before, self._starts[-1])
        # What a check takes back leaves its lines empty until the text fills them: nothing jumps, less is drawn.
        height = last if self._state.answering else self._starts[-1]
        for number in range(first, last):
            self._strips.discard(number)
        if before != height:
            self._grow_to(Size(self._width, height))
        self.refresh_lines(first, max(1, last - first + 1))
        if follows and (before != height or first == 0):
            # Forced: before the next layout the widget does not know yet that it can scroll.
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)

    def _grow_to(self, size: Size) -> None:
        """Assigning to ``virtual_size`` would lay the whole screen out anew for every line, and nothing would move."""
        self.set_reactive(ScrollView.virtual_size, size)
        self._scroll_update(size)

    def _strip(self, number: int, selection: Selection | None) -> Strip:
        block, line = self._line(number)
        base = self.rich_style
        segments = [Segment(run.text, base + self._style(run.kind, block, run.token)) for run in line]
        strip = Strip(segments).crop_extend(0, self.size.width, base)
        if selection is not None and (span := selection.get_span(number)) is not None:
            strip = _highlighted(strip, span, self.screen.get_component_rich_style("screen--selection"))
        return strip.apply_offsets(0, number)

    def _style(self, kind: str, block: Block, token: int) -> Style:
        if kind.startswith(EXPLICIT):
            return _parsed(kind.removeprefix(EXPLICIT))
        style = Style.null()
        for name in kind.split():
            style += self.get_component_rich_style(f"conversation--{name}", partial=True)
        if token != NO_TOKEN and kind and self._is_pointed(block, token):
            style += self.get_component_rich_style("conversation--pointed", partial=True)
        return style

    def _is_pointed(self, block: Block, token: int) -> bool:
        pointed = self.pointed
        if pointed is None or pointed.token != token or not isinstance(block.entry, Exchange):
            return False
        return block.entry.answer is pointed.answer

    def _line(self, number: int) -> tuple[Block, Line]:
        index = bisect_right(self._starts, number) - 1
        block = self._blocks[index]
        return block, block.lines[number - self._starts[index]]

    def _at(self, x: int, y: int) -> Pointed | None:
        number = self.scroll_offset.y + y
        if not 0 <= number < self._starts[-1]:
            return None
        block, line = self._line(number)
        cells = 0
        for run in line:
            cells += Segment(run.text).cell_length
            if x < cells:
                hit = run.token != NO_TOKEN and isinstance(block.entry, Exchange)
                return Pointed(block.entry.answer, run.token) if hit and isinstance(block.entry, Exchange) else None
        return None

    def _corrections(self) -> Iterator[Pointed]:
        for block in self._blocks:
            if isinstance(block.entry, Exchange):
                answer = block.entry.answer
                yield from (Pointed(answer, token) for token in answer.corrections)

    def _select(self, pointed: Pointed | None) -> None:
        self._selected = pointed
        self._repoint()

    def _hover(self, pointed: Pointed | None) -> None:
        if pointed != self._hovered:
            self._hovered = pointed
            self._repoint()

    def _repoint(self) -> None:
        self._strips.clear()
        self.refresh()
        self.post_message(self.Shown(self.pointed))

    def _scroll_to_pointed(self) -> None:
        number = self._line_of(self._selected) if self._selected else None
        if number is None:
            return
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not top <= number < top + height:
            self.scroll_to(y=max(0, number - height // 2), animate=False)

    def _line_of(self, pointed: Pointed) -> int | None:
        for start, block in zip(self._starts, self._blocks, strict=False):
            if isinstance(block.entry, Exchange) and block.entry.answer is pointed.answer:
                lines = enumerate(block.lines)
                return next((start + n for n, line in lines if any(run.token == pointed.token for run in line)), None)
        return None


@lru_cache(maxsize=256)
def _parsed(style: str) -> Style:
    return Style.parse(style)


def _text(line: Line) -> str:
    return "".join(run.text for run in line)


def _highlighted(strip: Strip, span: tuple[int, int], style: Style) -> Strip:
    """``strip`` with the characters of ``span`` marked; an end of -1 is that of the line."""
    start, end = span
    end = strip.cell_length if end == -1 else end
    before, marked, after = strip.divide([start, max(start, end), strip.cell_length])
    return Strip.join([before, marked.apply_style(style), after])
