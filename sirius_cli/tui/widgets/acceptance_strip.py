"""One cell for each checked window: kept whole, one token corrected, or a part of the draft thrown away.

Those that were kept whole differ by whether a part of them was found in the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual import events
from textual.geometry import Size

from sirius_cli.tui.flow import Line, Run
from sirius_cli.tui.panel import WindowCell
from sirius_cli.tui.widgets.lines import Lines, spread

Outcome = Literal["accepted", "lookup", "corrected", "rewound"]
_OUTCOMES: tuple[Outcome, ...] = ("accepted", "lookup", "corrected", "rewound")
_ALWAYS = ("accepted", "corrected", "rewound")
_REWOUND_BARS = "▁▂▃▄"
_NAME = "windows"
_NOTHING = "no window was checked yet"


@dataclass(frozen=True, slots=True)
class Signs:
    """How an outcome is drawn. ``rewound`` goes from little kept to much kept."""

    accepted: str
    lookup: str
    corrected: str
    rewound: str


BARS = Signs("█", "▓", "▆", _REWOUND_BARS)
LETTERS = Signs("=", "l", "c", "r")


def outcome(cell: WindowCell) -> Outcome:
    """What became of a window. A correction that replaced the draft's last token threw nothing else away."""
    lost = cell.drafted - cell.accepted
    if lost == 0:
        return "lookup" if cell.looked_up else "accepted"
    return "corrected" if lost == 1 and cell.corrected else "rewound"


def strip_line(cells: Sequence[WindowCell], width: int, signs: Signs, back: int = 0) -> Line:
    """The newest windows that fit, the newest at the right; ``back`` leaves out that many of them."""
    end = len(cells) - back
    return tuple(_run(cell, signs) for cell in cells[max(0, end - width) : end])


def legend(cells: Sequence[WindowCell], width: int, signs: Signs) -> Line:
    """What the signs mean, and how often each came. Look-ups are named once there are any."""
    outcomes = [outcome(cell) for cell in cells]
    named = [name for name in _OUTCOMES if name in _ALWAYS or name in outcomes]
    counted = [f" {name} {outcomes.count(name)}" for name in named]
    texts = counted if sum(map(len, counted)) + 2 * len(named) - 1 <= width else [f" {name}" for name in named]
    gaps = len(named) - 1
    gap = " " * max(1, min(3, (width - sum(map(len, texts)) - len(named)) // gaps))
    runs: list[Run] = []
    for kind, text in zip(named, texts, strict=True):
        runs += [Run(_sign(kind, signs), kind), Run(text + gap, "legend")]
    return tuple(runs)


def strip_lines(cells: Sequence[WindowCell], size: Size, signs: Signs, back: int) -> list[Line]:
    """Title, strip and legend."""
    told = f"{back} newer" if back else str(len(cells)) if cells else ""
    name = _name(cells[len(cells) - 1 - back], size.width - len(told) - 1) if cells else _NAME
    title = spread([Run(name, "title")], [Run(told, "title")] if told else [], size.width)
    if not cells:
        return [title, (Run(_NOTHING, "legend"),), legend((), size.width, signs)]
    return [title, strip_line(cells, size.width, signs, back), legend(cells, size.width, signs)]


def _name(cell: WindowCell, room: int) -> str:
    """What the strip shows; of a tree, where there is room, its size."""
    sized = f"{_NAME} of {cell.nodes} nodes, {cell.drafted} deep"
    return sized if cell.nodes and len(sized) <= room else _NAME


class _Strip(Lines[tuple[WindowCell, ...]]):
    """The looks of outcomes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "strip--title",
        "strip--legend",
        "strip--accepted",
        "strip--lookup",
        "strip--corrected",
        "strip--rewound",
    }
    DEFAULT_CSS = """
    _Strip {
        .strip--title { color: $secondary; }
        .strip--legend { color: $mark-reference; }
        .strip--accepted { color: $mark-accepted; }
        .strip--lookup { color: $mark-lookup; }
        .strip--corrected { color: $mark-corrected; }
        .strip--rewound { color: $mark-rewound; }
    }
    """


class AcceptanceLine(_Strip):
    """The newest windows on one line, for where there is no room for more."""

    DEFAULT_CSS = "AcceptanceLine { height: 1; }"

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        signs = LETTERS if ascii_only else BARS
        super().__init__(
            "strip", lambda panel: panel.windows, lambda cells, size: [strip_line(cells, size.width, signs)], id=id
        )


class AcceptanceStrip(_Strip):
    """The windows of an answer. The mouse wheel looks back at older ones."""

    DEFAULT_CSS = "AcceptanceStrip { height: 3; }"

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        signs = LETTERS if ascii_only else BARS
        super().__init__(
            "strip", lambda panel: panel.windows, lambda cells, size: strip_lines(cells, size, signs, self._back), id=id
        )
        self._back = 0

    def look_back(self, by: int) -> None:
        """Show windows that are ``by`` older, or newer if it is negative."""
        most = max(0, len(self._part or ()) - self.size.width)
        self._back = min(most, max(0, self._back + by))
        self.redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.look_back(4)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.look_back(-4)


def _run(cell: WindowCell, signs: Signs) -> Run:
    kind = outcome(cell)
    if kind != "rewound":
        return Run(_sign(kind, signs), kind)
    kept = cell.accepted / cell.drafted
    return Run(signs.rewound[min(len(signs.rewound) - 1, int(kept * len(signs.rewound)))], kind)


def _sign(kind: Outcome, signs: Signs) -> str:
    if kind == "rewound":
        return signs.rewound[len(signs.rewound) // 2]
    return {"accepted": signs.accepted, "lookup": signs.lookup, "corrected": signs.corrected}[kind]
