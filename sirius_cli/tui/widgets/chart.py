"""The two charts over committed tokens: how much of the weights is read for each, and how fast it goes."""

from dataclasses import dataclass
from typing import ClassVar

from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.panel import Panel
from sirius_cli.tui.widgets.lines import Lines, spread
from sirius_cli.tui.widgets.plot import ASCII, FINE, Pen, Plot, Reference, plot_lines

_LEAST_RATE = 5.0
_MOST_READ = 2.0
"""The first windows of an answer can cost a multiple of that; the rest of the line is to stay readable."""
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot under its title and its newest value."""

    title: str
    newest: str
    plot: Plot


def read(panel: Panel) -> Chart:
    """Bytes of weights read for each token, over those of a dense step: skipped neurons and fewer bits both show."""
    references = [Reference(1.0, "dense 1")]
    if panel.draft_read is not None:
        references.append(Reference(panel.draft_read, f"draft {panel.draft_read:.2f}"))
    newest = f"{panel.read[-1].value:.2f}" if panel.read else _UNKNOWN
    return Chart("effective read", newest, Plot(panel.read, tuple(references), most_top=_MOST_READ))


def rate(panel: Panel) -> Chart:
    """Committed tokens per second."""
    references = () if panel.dense_rate is None else (Reference(panel.dense_rate, f"dense {panel.dense_rate:.1f}"),)
    newest = f"{panel.rate[-1].value:.1f}" if panel.rate else _UNKNOWN
    return Chart("tokens per second", newest, Plot(panel.rate, references, _LEAST_RATE))


def chart_lines(chart: Chart, width: int, height: int, pen: Pen) -> list[Line]:
    """The chart in ``height`` lines; only the title where there is no room for more."""
    title = spread([Run(chart.title, "title")], [Run(chart.newest, "value")], width)
    return [title, *plot_lines(chart.plot, width, height - 1, pen)][:height]


class _ChartWidget(Lines[Chart]):
    """Draws a chart in its colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--title",
        "chart--value",
        "chart--line",
        "chart--reference",
        "chart--label",
        "chart--axis",
        "chart--tick",
    }
    DEFAULT_CSS = """
    _ChartWidget {
        height: 10;
        .chart--title { color: $secondary; }
        .chart--value { text-style: bold; }
        .chart--reference { color: $mark-axis; }
        .chart--label { color: $mark-reference; text-style: italic; }
        .chart--axis { color: $mark-axis; }
        .chart--tick { color: $mark-reference; }
    }
    """


class ReadChart(_ChartWidget):
    """Effective read, with that of dense decoding and the draft's own for comparison."""

    DEFAULT_CSS = "ReadChart { .chart--line, .chart--value { color: $mark-density; } }"

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        pen = ASCII if ascii_only else FINE
        super().__init__("chart", read, lambda chart, size: chart_lines(chart, *size, pen), id=id)


class RateChart(_ChartWidget):
    """Tokens per second, with the rate of dense decoding once it is known."""

    DEFAULT_CSS = "RateChart { .chart--line, .chart--value { color: $mark-rate; } }"

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        pen = ASCII if ascii_only else FINE
        super().__init__("chart", rate, lambda chart, size: chart_lines(chart, *size, pen), id=id)
