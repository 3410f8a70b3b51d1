"""What a speed measurement gives: plain data."""

from dataclasses import dataclass
from typing import Any

from sirius_cli.core.statistics import Summary


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One pass. ``over_dense`` is its time over the dense step's of the same repetition and depth.

    ``tokens_per_second`` counts all tokens of the pass. ``read_bytes`` are the weights and the KV cache that it must
    read, None where arithmetic and not memory bounds it; ``floor_ms`` is the time of a plain read of so many bytes,
    ``floor_share`` that over the pass's time, 1 at best. ``peak_bytes`` is the most memory held while it ran.
    """

    name: str
    depth: int
    tokens: int
    milliseconds: Summary
    tokens_per_second: float
    over_dense: Summary | None
    read_bytes: int | None
    floor_share: float | None
    floor_ms: float | None = None
    peak_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from one token's arrival to the next. Tokens of one check arrive together, 0 apart."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class DecodeRow:
    """``tokens`` tokens written after the first one, which the prompt of ``prompt_tokens`` gives.

    ``milliseconds`` are for a token, the mean of a run; ``over_dense`` is that over the dense row's of the same
    repetition. ``read_bytes`` are those that a token costs, drafts and checks together. ``same_tokens`` counts how many
    tokens from the start on are those of the dense row. ``looked_up`` is the fraction of all tokens that were found in
    the text. ``profile`` is the resolved one. What does not apply is None.
    """

    name: str
    prompt_tokens: int
    tokens: int
    milliseconds: Summary
    tokens_per_second: float
    over_dense: Summary | None
    first_token_ms: Summary | None = None
    latency: Latency | None = None
    aal: float | None = None
    effective_density: float | None = None
    same_tokens: int | None = None
    read_bytes: int | None = None
    floor_ms: float | None = None
    floor_share: float | None = None
    peak_bytes: int | None = None
    profile: dict[str, Any] | None = None
    note: str = ""
    looked_up: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that was asked for and could not be had."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """``bandwidth`` is what a plain read of memory reached, in bytes per second."""

    rows: tuple[SpeedRow, ...]
    bandwidth: Summary
    end_to_end: tuple[DecodeRow, ...] = ()
    missing: tuple[Missing, ...] = ()
