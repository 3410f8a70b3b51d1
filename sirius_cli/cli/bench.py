"""``sirius bench``: measurements on this machine."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import diagnostics, interrupts, options, output, progress
from sirius_cli.core.profile import DraftSpec
from sirius_cli.errors import UsageError

if TYPE_CHECKING:
    from sirius_cli.core.statistics import Summary
    from sirius_cli.services.bench.speed import SpeedResult, SpeedRow

_SCHEMA_VERSION = 1

app = typer.Typer(no_args_is_help=True, help="Measure: speed.")

_Prompt = Annotated[str, typer.Option("--n-prompt", "-p", metavar="N,…", help="Lengths of prefills to time.")]
_Depth = Annotated[str, typer.Option("--depth", metavar="N,…", help="Tokens already in the KV cache.")]
_Check = Annotated[str, typer.Option("--check", metavar="N,…", help="Lengths of checks to time.")]
_Repetitions = Annotated[int, typer.Option("--repetitions", "-r", help="How often everything is timed.")]
_Keep = Annotated[str, typer.Option("--keep", metavar="X,…", help="Fractions of neurons that drafts keep.")]


@app.callback()
def bench() -> None:
    """Measure on this machine, with this model."""


@app.command()
def speed(
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    n_prompt: _Prompt = "512",
    depth: _Depth = "512",
    check: _Check = "2,4,8,16,32",
    keep: _Keep = "0.5",
    repetitions: _Repetitions = 10,
    json: options.Json = False,
) -> None:
    """Time the passes that decoding is made of: prefill, dense step, draft steps, checks; side by side.

    Every repetition runs each of them once. "/ dense" compares with the dense step of the same repetition and depth,
    "of floor" with a plain read of the bytes that the pass must read.
    """
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.services import session
    from sirius_cli.services.bench import speed as service

    plan = service.SpeedPlan(
        prefills=_numbers("--n-prompt", n_prompt),
        depths=_numbers("--depth", depth),
        checks=_numbers("--check", check),
        drafts=_drafts(keep),
        repetitions=repetitions,
    )
    choice = session.ModelChoice(model, device, dtype, threads, offline)
    dense = resolve_profile("dense", {}, os.environ).profile
    with interrupts.at_once(), progress.progress_display(plain=json) as report:
        found = session.find_model(choice, report)
        with diagnostics.status(f"loading {found.name}", plain=json):
            engine: Any = session.load_engine(found, choice, dense)
        result = service.measure(engine, plan, report)
    if json:
        output.write_json(_document(engine, result))
        return
    output.write_table(["TEST", "DEPTH", "MS", "SD", "/ DENSE", "TOK/S", "OF FLOOR"], [_cells(r) for r in result.rows])
    diagnostics.note(f"plain read of memory: {_spread(result.bandwidth, 1e-9)} GB/s; {_about(engine)}")


def _numbers(flag: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"{flag} cannot be {text!r}", "give whole numbers with commas between") from error


def _drafts(text: str) -> tuple[DraftSpec, ...]:
    try:
        keeps = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UsageError(f"--keep cannot be {text!r}", "give fractions with commas between") from error
    if any(not 0 < keep <= 1 for keep in keeps):
        raise UsageError(f"--keep cannot be {text!r}", "give fractions above 0 and at most 1")
    return tuple(DraftSpec(method=method, keep=keep) for keep in keeps for method in ("coarse", "fine"))


def _cells(row: "SpeedRow") -> list[str]:
    length = f" {row.tokens}" if row.tokens > 1 else ""
    return [
        row.name + length,
        str(row.depth),
        f"{row.milliseconds.median:.2f}",
        f"{row.milliseconds.sd:.2f}",
        "" if row.over_dense is None else _spread(row.over_dense),
        f"{row.tokens_per_second:.1f}",
        "" if row.floor_share is None else f"{row.floor_share:.0%}",
    ]


def _spread(summary: "Summary", scale: float = 1.0) -> str:
    return f"{scale * summary.median:.2f} ({scale * summary.p10:.2f} to {scale * summary.p90:.2f})"


def _about(engine: Any) -> str:
    loaded = engine.loaded
    return f"{loaded.model}, {loaded.dtype} on {loaded.device}; medians, 10th to 90th percentile in brackets"


def _document(engine: Any, result: "SpeedResult") -> dict[str, Any]:
    loaded = engine.loaded
    return {
        "schema_version": _SCHEMA_VERSION,
        "model": loaded.model,
        "device": loaded.device,
        "dtype": loaded.dtype,
        "ops": loaded.ops,
        "weight_bytes": engine.weight_bytes,
        **asdict(result),
    }
