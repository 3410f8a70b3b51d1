"""Speed of single passes and of whole answers, side by side.

Every repetition runs everything once, in turn, so a machine that drifts slows all of it alike, and each time is
compared with the dense one of its own repetition. A plain read of memory is timed in every repetition too: the floor of
whatever must read so many bytes.
"""

from collections.abc import Callable
from dataclasses import replace

from sirius_cli.core.statistics import summarise
from sirius_cli.services.bench.speed_decode import decode_cases, decode_rows, expect_room
from sirius_cli.services.bench.speed_passes import pass_cases, pass_rows
from sirius_cli.services.bench.speed_plan import Baseline, Engine, SpeedPlan
from sirius_cli.services.bench.speed_predict import predicted_rows
from sirius_cli.services.bench.speed_results import Missing, SpeedResult
from sirius_cli.services.progress import Progress, ProgressEvent

Load = Callable[[Progress], tuple[tuple[Baseline, ...], tuple[Missing, ...]]]
RANDOM_WEIGHTS = "random weights"
_NO_ADVANCE = Missing("corrected", "what random weights accept says nothing; give --advance-from TRACE")


def nothing(progress: Progress) -> tuple[tuple[Baseline, ...], tuple[Missing, ...]]:
    """No baselines."""
    return (), ()


def measure(engine: Engine, plan: SpeedPlan, progress: Progress, load_baselines: Load = nothing) -> SpeedResult:
    """Time everything in ``plan``, and the baselines at its answers.

    Raises:
        UsageError: if a depth or an answer does not fit the model's context.
    """
    passes = list(pass_cases(engine, plan))
    expect_room(engine, plan)
    baselines, missing = load_baselines(progress)
    decodes = list(decode_cases(engine, plan, baselines))
    reads, rounds = list[float](), plan.warmups + plan.repetitions
    for number in range(rounds):
        progress(ProgressEvent(f"measuring, round {number + 1} of {rounds}"))
        keep = number >= plan.warmups
        bandwidth = engine.read_bandwidth()
        if keep:
            reads.append(bandwidth)
        for one_pass in passes:
            one_pass.measure(engine.watch_memory, keep=keep)
        for decode in decodes:
            decode.measure(engine.watch_memory, keep=keep)
    predicted = predicted_rows(plan.advance, passes, reads) if plan.advance else ()
    answers = (*decode_rows(decodes, reads), *predicted)
    result = SpeedResult(pass_rows(passes, reads), summarise(reads), answers, missing)
    return _random(result, plan) if plan.random_weights else result


def _random(result: SpeedResult, plan: SpeedPlan) -> SpeedResult:
    """Say on every row that the weights are random, and what that leaves out."""
    return replace(
        result,
        rows=tuple(replace(row, note=_joined(RANDOM_WEIGHTS, row.note)) for row in result.rows),
        end_to_end=tuple(replace(row, note=_joined(RANDOM_WEIGHTS, row.note)) for row in result.end_to_end),
        missing=result.missing if plan.advance else (*result.missing, _NO_ADVANCE),
    )


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
