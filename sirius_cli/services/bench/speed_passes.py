"""Single passes, timed apart: prefill, dense step, draft steps, checks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sirius_cli.core.profile import DraftSpec
from sirius_cli.core.statistics import summarise
from sirius_cli.services.bench.speed_case import Case, floor_of, ratios
from sirius_cli.services.bench.speed_plan import DENSE_STEP, Engine, Probe, SpeedPlan
from sirius_cli.services.bench.speed_results import SpeedRow


@dataclass(slots=True, kw_only=True)
class PassCase(Case[float]):
    """``depth`` tokens are in the KV cache before the ``tokens`` of the pass."""

    depth: int
    tokens: int
    read_bytes: int | None


def pass_cases(engine: Engine, plan: SpeedPlan) -> Iterator[PassCase]:
    """All passes of ``plan``. Raises ``UsageError`` where one does not fit the context."""
    for tokens in plan.prefills:
        run = _call(engine.probe(1, tokens).prefill, tokens)
        yield PassCase(name="prefill", depth=0, tokens=tokens, run=run, read_bytes=None)
    for depth in plan.depths:
        yield from _decode_cases(engine, plan, depth)


def pass_rows(cases: Sequence[PassCase], reads: Sequence[float]) -> tuple[SpeedRow, ...]:
    """A row for each case, all with the same number of samples as there are ``reads`` (bytes per second)."""
    dense = {case.depth: case.samples for case in cases if case.name == DENSE_STEP}
    return tuple(_row(case, dense.get(case.depth), reads) for case in cases)


def draft_name(spec: DraftSpec) -> str:
    """What the row of a draft's step is called."""
    return f"{spec.step_words} step"


def _decode_cases(engine: Engine, plan: SpeedPlan, depth: int) -> Iterator[PassCase]:
    checks = plan.all_checks
    probe = engine.probe(depth, max((1, *checks)))
    read = engine.weight_bytes + probe.cache_bytes
    yield PassCase(name=DENSE_STEP, depth=depth, tokens=1, run=probe.dense_step, read_bytes=read)
    for spec in plan.all_drafts:
        yield _draft_case(engine, probe, spec, depth)
    for tokens in checks:
        yield PassCase(name="check", depth=depth, tokens=tokens, run=_call(probe.check, tokens), read_bytes=read)


def _draft_case(engine: Engine, probe: Probe, spec: DraftSpec, depth: int) -> PassCase:
    policy = probe.drafts(spec)
    read = int(policy.cost.read * engine.weight_bytes) + probe.cache_bytes

    def run() -> float:
        return probe.draft_step(spec, policy)

    return PassCase(name=draft_name(spec), depth=depth, tokens=1, run=run, read_bytes=read)


def _call(run: Callable[[int], float], tokens: int) -> Callable[[], float]:
    return lambda: run(tokens)


def _row(case: PassCase, dense: list[float] | None, reads: Sequence[float]) -> SpeedRow:
    milliseconds = summarise([1000 * seconds for seconds in case.samples])
    floor = None if case.read_bytes is None else floor_of(case.read_bytes, case.samples, reads)
    return SpeedRow(
        name=case.name,
        depth=case.depth,
        tokens=case.tokens,
        milliseconds=milliseconds,
        tokens_per_second=1000 * case.tokens / milliseconds.median,
        over_dense=ratios(case.samples, dense),
        read_bytes=case.read_bytes,
        floor_share=floor.share if floor else None,
        floor_ms=floor.milliseconds if floor else None,
        peak_bytes=case.peak_bytes,
    )
