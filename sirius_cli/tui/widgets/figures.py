"""The figures of an answer: as a table, and as one line where there is no room."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual.geometry import Size

from sirius_cli.core.safe_text import one_line, width
from sirius_cli.services.sizes import megabytes
from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.panel import Figures, Panel
from sirius_cli.tui.widgets.lines import Lines

_UNKNOWN = "-"
_LABEL_CELLS = 11
_PAIR_CELLS = 38
"""From this width on, two figures share a line."""
_BAR_CELLS = 10

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures, and the rate of dense decoding to compare with."""

    figures: Figures
    dense_rate: float | None

    @property
    def speedup(self) -> float | None:
        """How many times faster than dense decoding."""
        own, dense = self.figures.tokens_per_second, self.dense_rate
        return own / dense if own is not None and dense else None


@dataclass(frozen=True, slots=True)
class BarSigns:
    """What a bar is drawn with."""

    full: str
    empty: str


BLOCKS = BarSigns("█", "░")
HASHES = BarSigns("#", ".")


def shown(panel: Panel) -> Shown:
    """The part of ``panel`` that is told here."""
    return Shown(panel.figures, panel.dense_rate)


def table(part: Shown, size: Size, signs: BarSigns) -> list[Line]:
    """The figures as labels and values."""
    figures = part.figures
    lines = [
        _one("model", one_line(figures.model) or _UNKNOWN),
        _one("method", figures.method or _UNKNOWN),
        _one("check", _check(figures) or _UNKNOWN),
    ]
    lines += [_one("plan", one_line(figures.plan))] if figures.plan else []
    pairs = list(_pairs(part))
    for left, right in zip(pairs[::2], pairs[1::2], strict=True):
        lines += [_two(left, right, size.width)] if size.width >= _PAIR_CELLS else [_one(*left), _one(*right)]
    return [*lines, _context(figures, signs), _one("memory", _size(figures.memory))]


def _check(figures: Figures) -> str:
    return ", ".join(filter(None, (figures.rule, _known("window {}", figures.window))))


def summary(part: Shown, cells: int) -> str:
    """The figures that are known, the most telling first, as many as fit into one line of ``cells``."""
    text = ""
    for fact in filter(None, _facts(part)):
        longer = f"{text} · {fact}" if text else fact
        if width(longer) > cells:
            break
        text = longer
    return text


class FiguresTable(Lines[Shown]):
    """All figures."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"figures--label", "figures--value", "figures--full", "figures--empty"}
    DEFAULT_CSS = """
    FiguresTable {
        height: 9;
        &.-planned { height: 10; }
        .figures--label { color: $mark-reference; }
        .figures--full { color: $mark-accepted; }
        .figures--empty { color: $mark-axis; }
    }
    """

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        signs = HASHES if ascii_only else BLOCKS
        super().__init__("figures", shown, lambda part, size: table(part, size, signs), id=id)

    def update(self, panel: Panel) -> None:
        """Show ``panel``; a plan takes a line of its own."""
        self.set_class(bool(panel.figures.plan), "-planned")
        super().update(panel)


class FiguresLine(Lines[Shown]):
    """The figures on one line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"figures--line"}
    DEFAULT_CSS = """
    FiguresLine {
        height: 1;
        .figures--line { color: $mark-reference; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("figures", shown, lambda part, size: [(Run(summary(part, size.width), "line"),)], id=id)


def _pairs(part: Shown) -> Iterator[Pair]:
    figures = part.figures
    yield "tokens", str(figures.tokens)
    yield "AAL", _number("{:.1f}", figures.aal)
    yield "tok/s", _number("{:.1f}", figures.tokens_per_second)
    yield "vs dense", _number("{:.2f}x", part.speedup)
    yield "corrected", _number("{:.1%}", figures.corrected)
    yield "TTFT", _number("{:.0f} ms", figures.ttft_ms)
    yield "density", _number("{:.2f}", figures.effective_density)
    yield "read", _number("{:.2f}", figures.effective_read)


def _facts(part: Shown) -> Iterator[str]:
    figures = part.figures
    yield figures.method + _known(", window {}", figures.window)
    yield f"{figures.tokens} tokens" if figures.tokens else ""
    yield _known("{:.1f} tok/s", figures.tokens_per_second) + _known(" ({:.2f}x dense)", part.speedup)
    yield one_line(figures.plan)
    yield _known("AAL {:.1f}", figures.aal)
    yield _known("read {:.2f}", figures.effective_read)
    yield _known("{:.1%} corrected", figures.corrected)
    yield _known("TTFT {:.0f} ms", figures.ttft_ms)


def _one(label: str, value: str) -> Line:
    return (Run(label.ljust(_LABEL_CELLS), "label"), Run(value, "value"))


def _two(left: Pair, right: Pair, cells: int) -> Line:
    value = left[1].ljust(cells // 2 - _LABEL_CELLS + 1)
    return (*_one(left[0], value), *_one(*right))


def _context(figures: Figures, signs: BarSigns) -> Line:
    if not figures.context:
        return _one("context", f"{figures.context_used}" if figures.context_used else _UNKNOWN)
    full = min(_BAR_CELLS, math.ceil(_BAR_CELLS * figures.context_used / figures.context))
    return (
        Run("context".ljust(_LABEL_CELLS), "label"),
        Run(signs.full * full, "full"),
        Run(signs.empty * (_BAR_CELLS - full), "empty"),
        Run(f" {figures.context_used} of {figures.context}", "value"),
    )


def _size(count: int | None) -> str:
    return _UNKNOWN if count is None else megabytes(count)


def _number(template: str, value: float | None) -> str:
    return _UNKNOWN if value is None else template.format(value)


def _known(template: str, value: float | None) -> str:
    return "" if value is None else template.format(value)
