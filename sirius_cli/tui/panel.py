"""What the right-hand side of the dashboard shows, as plain data: of the answer in the making, or of the last one."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Point:
    """A chart's point: ``value`` when ``tokens`` of the answer were committed."""

    tokens: int
    value: float


@dataclass(frozen=True, slots=True)
class WindowCell:
    """One checked window. ``drafted - accepted`` tokens were rewound; ``corrected`` tells whether one was replaced.

    ``short`` marks a window that ended before its full length, ``looked_up`` how many of the committed tokens were
    found in the text. Of a tree ``nodes`` tokens were drafted, ``drafted`` of them deep; 0 is a chain.
    """

    window: int
    drafted: int
    accepted: int
    committed: int
    corrected: bool
    short: bool
    looked_up: int = 0
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an answer. ``None`` stands where one is unknown or undefined.

    ``rule`` is that of the check, none if nothing is checked. ``window`` is the size of the newest; ``plan`` says why,
    where sizes are planned. ``corrected`` is a fraction of all
    tokens, ``context`` and ``context_used`` are in tokens, ``memory`` in bytes.
    """

    model: str = ""
    method: str = ""
    rule: str = ""
    window: int | None = None
    aal: float | None = None
    corrected: float | None = None
    ttft_ms: float | None = None
    tokens: int = 0
    tokens_per_second: float | None = None
    effective_density: float | None = None
    effective_read: float | None = None
    context_used: int = 0
    context: int | None = None
    memory: int | None = None
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """Charts, windows, layers and figures.

    ``read`` is the bytes of weights read for a token over those of a dense step, ``draft_read`` those of a draft step.
    ``rate`` is in tokens per second; ``dense_rate`` that of dense decoding.

    ``activity`` holds a number from 0 to 1 for each layer, and nothing while it is unknown.
    """

    read: tuple[Point, ...] = ()
    draft_read: float | None = None
    rate: tuple[Point, ...] = ()
    dense_rate: float | None = None
    windows: tuple[WindowCell, ...] = ()
    activity: tuple[float, ...] = ()
    figures: Figures = field(default_factory=Figures)
