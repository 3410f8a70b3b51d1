"""Speed of the single passes that decoding is made of, side by side.

Every repetition runs every pass once, so a machine that drifts slows all of them alike, and each pass is compared with
the dense step of its own repetition and depth. A plain read of memory is timed in every repetition too: the floor of a
pass that must read so many bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from sirius_cli.core.profile import DraftSpec
from sirius_cli.core.statistics import Summary, summarise
from sirius_cli.errors import UsageError
from sirius_cli.services.progress import Progress, ProgressEvent

DENSE_STEP = "dense step"


class Probe(Protocol):
    """Passes behind a text, each giving its seconds; see the engine's probe."""

    @property
    def cache_bytes(self) -> int: ...
    def dense_step(self) -> float: ...
    def check(self, tokens: int) -> float: ...
    def prefill(self, tokens: int) -> float: ...
    def drafts(self, spec: DraftSpec) -> Any: ...
    def draft_step(self, policy: Any) -> float: ...


class Engine(Protocol):
    """The part of the engine that is measured."""

    @property
    def weight_bytes(self) -> int: ...
    def read_bandwidth(self) -> float: ...
    def probe(self, depth: int, room: int) -> Probe: ...


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    """What to time: prefills by length, and at each depth a dense step, draft steps, and checks by length."""

    prefills: tuple[int, ...] = (512,)
    depths: tuple[int, ...] = (512,)
    checks: tuple[int, ...] = (2, 4, 8, 16)
    drafts: tuple[DraftSpec, ...] = ()
    repetitions: int = 10
    warmups: int = 1

    def __post_init__(self) -> None:
        for name, values in (("prompt", self.prefills), ("depth", self.depths), ("check", self.checks)):
            if any(value < 1 for value in values):
                raise UsageError(f"{name} lengths cannot be {list(values)}", "give numbers of 1 and more")
        if not self.depths:
            raise UsageError("there is no depth to measure at", "give --depth")
        if self.repetitions < 1:
            raise UsageError(f"repetitions cannot be {self.repetitions}", "give 1 or more")


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One pass. ``over_dense`` is its time over the dense step's of the same repetition and depth.

    ``tokens_per_second`` counts all tokens of the pass. ``read_bytes`` are the weights and the KV cache that it must
    read, None where arithmetic and not memory bounds it; ``floor_share`` is the time of a plain read of so many bytes
    over the pass's time, 1 at best.
    """

    name: str
    depth: int
    tokens: int
    milliseconds: Summary
    tokens_per_second: float
    over_dense: Summary | None
    read_bytes: int | None
    floor_share: float | None


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """``bandwidth`` is what a plain read of memory reached, in bytes per second."""

    rows: tuple[SpeedRow, ...]
    bandwidth: Summary


@dataclass(slots=True)
class _Case:
    name: str
    depth: int
    tokens: int
    run: Callable[[], float]
    read_bytes: int | None
    seconds: list[float] = field(default_factory=list)


def measure(engine: Engine, plan: SpeedPlan, progress: Progress) -> SpeedResult:
    """Time everything in ``plan``.

    Raises:
        UsageError: if a depth does not fit the model's context.
    """
    cases, reads = list(_cases(engine, plan)), list[float]()
    rounds = plan.warmups + plan.repetitions
    for number in range(rounds):
        progress(ProgressEvent(f"measuring, round {number + 1} of {rounds}"))
        bandwidth = engine.read_bandwidth()
        times = [case.run() for case in cases]
        if number >= plan.warmups:
            reads.append(bandwidth)
            for case, seconds in zip(cases, times, strict=True):
                case.seconds.append(seconds)
    dense = {case.depth: case.seconds for case in cases if case.name == DENSE_STEP}
    return SpeedResult(tuple(_row(case, dense.get(case.depth), reads) for case in cases), summarise(reads))


def _cases(engine: Engine, plan: SpeedPlan) -> Iterator[_Case]:
    for tokens in plan.prefills:
        probe = engine.probe(1, tokens)
        yield _Case("prefill", 0, tokens, _call(probe.prefill, tokens), None)
    for depth in plan.depths:
        yield from _decode_cases(engine, plan, depth)


def _decode_cases(engine: Engine, plan: SpeedPlan, depth: int) -> Iterator[_Case]:
    probe = engine.probe(depth, max((1, *plan.checks)))
    dense_bytes = engine.weight_bytes + probe.cache_bytes
    yield _Case(DENSE_STEP, depth, 1, probe.dense_step, dense_bytes)
    for spec in plan.drafts:
        yield _draft_case(engine, probe, spec, depth)
    for tokens in plan.checks:
        yield _Case("check", depth, tokens, _call(probe.check, tokens), dense_bytes)


def _draft_case(engine: Engine, probe: Probe, spec: DraftSpec, depth: int) -> _Case:
    policy = probe.drafts(spec)
    read_bytes = int(policy.cost.read * engine.weight_bytes) + probe.cache_bytes
    name = f"{spec.method} {spec.keep:g} step"
    return _Case(name, depth, 1, lambda: probe.draft_step(policy), read_bytes)


def _call(run: Callable[[int], float], tokens: int) -> Callable[[], float]:
    return lambda: run(tokens)


def _row(case: _Case, dense: list[float] | None, reads: list[float]) -> SpeedRow:
    milliseconds = summarise([1000 * seconds for seconds in case.seconds])
    floors = None
    if case.read_bytes is not None:
        floors = summarise(
            [case.read_bytes / read / seconds for read, seconds in zip(reads, case.seconds, strict=True)]
        )
    return SpeedRow(
        name=case.name,
        depth=case.depth,
        tokens=case.tokens,
        milliseconds=milliseconds,
        tokens_per_second=1000 * case.tokens / milliseconds.median,
        over_dense=summarise([a / b for a, b in zip(case.seconds, dense, strict=True)]) if dense else None,
        read_bytes=case.read_bytes,
        floor_share=floors.median if floors else None,
    )
