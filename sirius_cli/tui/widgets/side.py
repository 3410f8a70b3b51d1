"""The right-hand side, and the lines that stand for it where there is no room."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from sirius_cli.tui.panel import Panel
from sirius_cli.tui.widgets.acceptance_strip import AcceptanceLine, AcceptanceStrip
from sirius_cli.tui.widgets.chart import RateChart, ReadChart
from sirius_cli.tui.widgets.figures import FiguresLine, FiguresTable
from sirius_cli.tui.widgets.layer_activity import LayerActivity
from sirius_cli.tui.widgets.lines import Lines

_TALL = 34
_WIDE = 74


class Side(VerticalScroll, can_focus=False):
    """Figures, charts, windows, layers. Two columns where it is wide and low; no layers where it is only low."""

    DEFAULT_CSS = """
    Side {
        FiguresTable, ReadChart, RateChart, AcceptanceStrip { margin: 0 0 1 0; }
        ReadChart, RateChart { height: 1fr; min-height: 6; max-height: 16; }
        LayerActivity { height: 5; }
        &.-low LayerActivity { display: none; }
        &.-two { layout: grid; grid-size: 2; grid-rows: 10 1fr 5; grid-gutter: 0 2; }
        &.-two FiguresTable { column-span: 2; }
        &.-two LayerActivity { display: block; }
    }
    """

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        yield FiguresTable(ascii_only=self._ascii)
        yield ReadChart(ascii_only=self._ascii)
        yield RateChart(ascii_only=self._ascii)
        yield AcceptanceStrip(ascii_only=self._ascii)
        yield LayerActivity(ascii_only=self._ascii)

    def update(self, panel: Panel) -> None:
        """Show ``panel``. Draws only what is new in it."""
        _pass_on(self, panel)

    def on_resize(self, event: events.Resize) -> None:
        low = event.size.height < _TALL
        self.set_class(low, "-low")
        self.set_class(low and event.size.width >= _WIDE, "-two")


class Brief(Vertical):
    """The figures and the newest windows, a line each."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        yield FiguresLine()
        yield AcceptanceLine(ascii_only=self._ascii)

    def update(self, panel: Panel) -> None:
        """Show ``panel``."""
        _pass_on(self, panel)


def _pass_on(container: Widget, panel: Panel) -> None:
    for part in container.query_children(Lines):
        part.update(panel)
