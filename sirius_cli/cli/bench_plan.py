"""``sirius bench plan``: which window a recorded acceptance and measured costs speak for."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import diagnostics, interrupts, options, output, progress
from sirius_cli.cli.bench_speed import load

if TYPE_CHECKING:
    from sirius_cli.core.windows import Acceptance, PlanPoint, StepCosts
    from sirius_cli.services.bench.speed_advance import RecordedAdvance
    from sirius_cli.services.bench.speed_costs import MeasuredPasses
    from sirius_cli.services.session import ModelChoice

_SCHEMA_VERSION = 1
_CHECKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_LONGEST = 32  # tokens of a window
_DEPTH = 512
_BAR = 24  # columns of the fastest window's bar
_COLUMNS = ["WINDOW", "ADVANCE", "MS", "TOK/S", "SPEED-UP", "", "NOTE"]

_ADVANCE_HELP = "Acceptance of this recorded run; else of the newest in the folder of traces."
_Advance = Annotated[str | None, typer.Option("--advance-from", metavar="TRACE", help=_ADVANCE_HELP)]
_COSTS_HELP = "Costs from the JSON of a former `sirius bench speed`, instead of measuring."
_Costs = Annotated[Path | None, typer.Option("--costs", metavar="FILE", help=_COSTS_HELP)]
_Depth = Annotated[
    int | None, typer.Option("--depth", metavar="N", help="Tokens in the KV cache; 512, or the first in the file.")
]
_Repetitions = Annotated[int, typer.Option("--repetitions", "-r", help="How often every step is timed.")]


@dataclass(frozen=True, slots=True)
class _Plan:
    """``recorded`` is the speed-up of the recorded windows as they were, those that ended early included."""

    advance: "RecordedAdvance"
    found: "MeasuredPasses"
    costs: "StepCosts"
    acceptance: "Acceptance"
    depth: int
    points: "tuple[PlanPoint, ...]"
    best: "PlanPoint"
    recorded: float | None


def plan(
    advance_from: _Advance = None,
    costs: _Costs = None,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    depth: _Depth = None,
    repetitions: _Repetitions = 5,
    json: options.Json = False,
) -> None:
    """Predict the speed of every window size from the costs of steps and from a recorded run's acceptance.

    No window is taken to end early, by the draft's own doubt or by a stop.
    """
    from sirius_cli.services.bench import speed_costs
    from sirius_cli.services.bench.speed_advance import read_advance
    from sirius_cli.services.session import ModelChoice

    advance = read_advance(advance_from)
    if costs is None:
        choice = ModelChoice(model, device, dtype, threads, offline)
        found = _measure(choice, advance, _DEPTH if depth is None else depth, repetitions, plain=json)
    else:
        found = speed_costs.read_passes(costs)
    made = _made(advance, found, depth)
    if json:
        output.write_json(_document(made))
        return
    output.write_table(_COLUMNS, [_cells(point, made) for point in made.points])
    for note in _notes(made):
        diagnostics.note(note)


def _measure(
    choice: "ModelChoice", advance: "RecordedAdvance", depth: int, repetitions: int, *, plain: bool
) -> "MeasuredPasses":
    from sirius_cli.services.bench.speed import measure
    from sirius_cli.services.bench.speed_costs import passes_of
    from sirius_cli.services.bench.speed_plan import SpeedPlan

    wanted = SpeedPlan(
        prefills=(), depths=(depth,), checks=_CHECKS, drafts=(advance.profile.draft,), repetitions=repetitions
    )
    with interrupts.at_once(), progress.progress_display(plain=plain) as report:
        engine, _ = load(choice, None, report, plain=plain)
        result = measure(engine, wanted, report)
    return passes_of(result, engine.loaded.model, engine.loaded.device)


def _made(advance: "RecordedAdvance", found: "MeasuredPasses", depth: int | None) -> _Plan:
    from sirius_cli.core.windows import acceptance_of, best, predict
    from sirius_cli.services.bench.speed_costs import step_costs

    costs, chosen = step_costs(found, advance.profile.draft, depth)
    acceptance = acceptance_of([(rate.accepted, rate.reached) for rate in advance.rates])
    points = predict(costs, acceptance, range(1, min(_LONGEST, costs.longest) + 1))
    return _Plan(advance, found, costs, acceptance, chosen, points, best(points), _recorded(advance, costs))


def _recorded(advance: "RecordedAdvance", costs: "StepCosts") -> float | None:
    from sirius_cli.core.windows import replayed

    if max(advance.check_lengths) > costs.longest:
        return None
    windows = [(window.drafted, window.committed) for window in advance.windows]
    return costs.dense / replayed(windows, costs.draft, costs.check)


def _cells(point: "PlanPoint", made: _Plan) -> list[str]:
    marks = {
        "best": point is made.best,
        "the trace's own": point.window == made.advance.profile.correction.window,
        "extrapolated": point.extrapolated,
    }
    return [
        str(point.window),
        f"{point.advance:.2f}",
        f"{point.milliseconds:.2f}",
        f"{point.tokens_per_second:.1f}",
        f"{point.speedup:.3f}",
        "█" * round(_BAR * point.speedup / made.best.speedup),
        ", ".join(mark for mark, holds in marks.items() if holds),
    ]


def _notes(made: _Plan) -> list[str]:
    advance, costs, top = made.advance, made.costs, made.best
    draft, correction = advance.profile.draft, advance.profile.correction
    notes = [
        f"best window: {top.window}, {top.speedup:.2f} times dense decoding ({top.tokens_per_second:.1f} tok/s)"
        if top.speedup > 1 and top.window > 1
        else "no window is faster than dense decoding",
        f"acceptance: {advance.name} of {advance.model}, {len(advance.windows)} windows, "
        f"{draft.words}, {correction.accept}",
        f"costs: {made.found.model} on {made.found.device} at depth {made.depth}; dense {costs.dense:.2f} ms, draft "
        f"{costs.draft:.2f} ms",
    ]
    if made.recorded is not None:
        notes.append(f"the windows as recorded, early ends included: {made.recorded:.2f} times dense decoding")
    notes += [
        f"planned in the trace: window {one.size} for {one.committed} tokens ({one.reason})"
        for one in advance.decisions
    ]
    if correction.confidence:
        notes.append(
            f"note: the recorded drafts ended early below confidence {correction.confidence:g}, so late positions were "
            "reached by sure drafts alone: long windows look better than they are"
        )
    if costs.longest < _LONGEST:
        notes.append(f"note: no check of more than {costs.longest} tokens was measured")
    return [*notes, *(f"note: {problem}" for problem in advance.problems)]


def _document(made: _Plan) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA_VERSION,
        "model": made.found.model,
        "device": made.found.device,
        "depth": made.depth,
        "trace": {
            "name": made.advance.name,
            "model": made.advance.model,
            "windows": len(made.advance.windows),
            "profile": made.advance.profile.model_dump(include={"name", "draft", "correction"}),
        },
        "costs": asdict(made.costs),
        "acceptance": asdict(made.acceptance),
        "points": [asdict(point) for point in made.points],
        "best": asdict(made.best),
        "recorded_speedup": made.recorded,
        "decisions": [asdict(one) for one in made.advance.decisions],
    }
