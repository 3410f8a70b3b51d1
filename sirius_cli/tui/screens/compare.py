"""One prompt, answered dense, sparse and corrected, side by side. What differs from the dense answer is marked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static, Tab, Tabs

from sirius_cli.core.metrics import Metrics
from sirius_cli.core.safe_text import one_line
from sirius_cli.tui.differences import differing
from sirius_cli.tui.state import ChatState, Exchange
from sirius_cli.tui.widgets.conversation import Conversation

_WIDTHS = [(0, "-narrow"), (100, "-wide")]
_CLAIMS = {"dense": "every weight, every token", "sparse": "the draft alone", "sirius": "the draft, corrected"}


class Lane(Vertical, can_focus=False):
    """One answer with its title and figures."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(id=f"lane-{exchange.mode}", classes="lane")
        self.exchange = exchange
        self._shown = -1
        self._entry = replace(exchange, prompt=None)
        self._state = ChatState(entries=[self._entry])
        self._conversation = Conversation(self._state)
        self._figures = Static(classes="lane-figures", markup=False)
        self.border_title = f"{exchange.mode} · {_CLAIMS[exchange.mode]}"

    def compose(self) -> ComposeResult:
        yield self._conversation
        yield self._figures

    def sync(self) -> None:
        """Catch up with the answer."""
        answer = self.exchange.answer
        if answer.version == self._shown:
            return
        self._shown = answer.version
        self._conversation.sync()
        self._figures.update(Text(_figures(answer.phase, answer.metrics, len(self._entry.differing))))

    def mark(self, reference: Exchange) -> None:
        """Mark what ``reference`` says otherwise."""
        self._entry.differing = differing(_ids(self.exchange), _ids(reference))
        self._state.revision += 1
        self._shown = -1


class CompareScreen(Screen[None]):
    """Shows ``lanes``, of which the first is the reference. Leaving early calls ``abandon``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="compare.leave"),
        Binding("tab,right", "turn(1)", "Next", id="compare.next", priority=True),
        Binding("shift+tab,left", "turn(-1)", "Previous", id="compare.previous", priority=True),
    ]
    HORIZONTAL_BREAKPOINTS = _WIDTHS

    def __init__(self, prompt: str, lanes: Sequence[Exchange], abandon: Callable[[], None]) -> None:
        super().__init__()
        self._prompt = prompt
        self._abandon = abandon
        self._lanes = [Lane(exchange) for exchange in lanes]
        self._marked: set[Lane] = set()

    def compose(self) -> ComposeResult:
        yield Static(Text(one_line(self._prompt), no_wrap=True, overflow="ellipsis"), id="compare-prompt")
        yield Tabs(*(Tab(lane.exchange.mode, id=lane.exchange.mode) for lane in self._lanes), id="compare-tabs")
        with Horizontal(id="lanes"):
            yield from self._lanes
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._show(0)
        self.sync()

    @property
    def running(self) -> bool:
        """Whether an answer is still to come."""
        return any(not lane.exchange.answer.ended for lane in self._lanes)

    def sync(self) -> None:
        """Catch up with the answers."""
        reference = self._lanes[0].exchange
        for lane in self._lanes:
            done = lane.exchange.answer.ended and reference.answer.ended
            if done and lane not in self._marked and lane.exchange is not reference:
                self._marked.add(lane)
                lane.mark(reference)
            lane.sync()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        self._show(next(i for i, lane in enumerate(self._lanes) if lane.exchange.mode == event.tab.id))

    def action_turn(self, by: int) -> None:
        index = (self._index + by) % len(self._lanes)
        self._show(index)
        self.query_one(Tabs).active = self._lanes[index].exchange.mode

    def action_leave(self) -> None:
        if self.running:
            self._abandon()
        self.dismiss()

    def _show(self, index: int) -> None:
        self._index = index
        for number, lane in enumerate(self._lanes):
            lane.set_class(number == index, "-active")


def _ids(exchange: Exchange) -> list[int]:
    return [said.token.token_id for said in exchange.answer.said]


def _figures(phase: str, metrics: Metrics, differences: int) -> str:
    if phase == "waiting":
        return "waits for its turn"
    parts = [f"{metrics.committed_tokens} tokens"]
    parts += _figure("{:d} differ", differences or None)
    parts += _figure("{:.1f} tok/s", metrics.decode_tokens_per_second)
    parts += _figure("read {:.2f}", metrics.effective_read)
    parts += _figure("{:.1%} corrected", metrics.corrected_fraction or None)
    return ", ".join(parts)


def _figure(template: str, value: float | None) -> list[str]:
    return [] if value is None else [template.format(value)]
