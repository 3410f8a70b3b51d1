"""How many of its neurons each layer puts to work, as upright bars."""

import math
from collections.abc import Sequence
from typing import ClassVar

from textual.geometry import Size

from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.widgets.lines import Lines, spread
from sirius_cli.tui.widgets.plot import round_step

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_THIRDS = " .:#"
_UNKNOWN = "told by the first check"
_LEAST_TOP = 0.01


def bars(values: Sequence[float], top: float, width: int, rows: int, levels: str) -> list[str]:
    """``values`` as bars in ``rows`` lines, each value as wide as the space allows; ``levels`` from empty to full.

    Where there are more values than cells, neighbours share a cell, which shows their mean.
    """
    values = _grouped(values, math.ceil(len(values) / width))
    cells = max(1, width // len(values))
    full = len(levels) - 1
    # A layer that works at all is seen.
    heights = [max(value > 0, round(min(1.0, value / top) * rows * full)) for value in values]
    return [
        "".join(levels[min(full, max(0, height - row * full))] * cells for height in heights)
        for row in reversed(range(rows))
    ]


def activity_lines(activity: Sequence[float], size: Size, levels: str) -> list[Line]:
    """Title, bars and extremes in the lines of ``size``; layers are counted from 1."""
    title = Run("neurons at work, by layer", "title")
    if not activity:
        return [(title,), (Run(_UNKNOWN, "fact"),)]
    top = round_step(max(_LEAST_TOP, *activity))
    drawn = bars(activity, top, size.width, max(1, size.height - 2), levels)
    head = spread([title], [Run(f"top {top:.0%}", "fact")], size.width)
    return [head, *((Run(line, "bar"),) for line in drawn), (Run(_extremes(activity)[: size.width], "fact"),)]


class LayerActivity(Lines[tuple[float, ...]]):
    """The layers of the model, from the first at the left."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"activity--title", "activity--bar", "activity--fact"}
    DEFAULT_CSS = """
    LayerActivity {
        height: 5;
        .activity--title { color: $secondary; }
        .activity--bar { color: $mark-activity; }
        .activity--fact { color: $mark-reference; }
    }
    """

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        levels = _THIRDS if ascii_only else _EIGHTHS
        super().__init__(
            "activity", lambda panel: panel.activity, lambda part, size: activity_lines(part, size, levels), id=id
        )


def _grouped(values: Sequence[float], count: int) -> list[float]:
    groups = [values[start : start + count] for start in range(0, len(values), count)]
    return [sum(group) / len(group) for group in groups]


def _extremes(activity: Sequence[float]) -> str:
    least, most = min(activity), max(activity)
    mean = sum(activity) / len(activity)
    return f"min {least:.1%} L{activity.index(least) + 1}  mean {mean:.1%}  max {most:.1%} L{activity.index(most) + 1}"
