"""``sirius runs``: benchmarks that are kept on this machine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import diagnostics, options, output, reports, terminal
from sirius_cli.services.sizes import readable

if TYPE_CHECKING:  # --help loads none of the services
    from sirius_cli.services.bench.quality.results import BenchResult
    from sirius_cli.services.bench.quality.runs import RunInfo

_SCHEMA_VERSION = 1
_NAMES = 3  # of tasks or methods in a line

app = typer.Typer(no_args_is_help=True, help="Kept benchmarks: list, show, compare, rm.")

_HELP = "An id of `sirius runs list`, the beginning of one, or a run's folder."
_Run = Annotated[str, typer.Argument(metavar="RUN", help=_HELP)]
_Runs = Annotated[list[str], typer.Argument(metavar="RUN…", help="Ids of `sirius runs list`, or beginnings of such.")]
_A = Annotated[str, typer.Argument(metavar="A", help=_HELP)]
_B = Annotated[str, typer.Argument(metavar="B", help="Another one.")]


@app.command("list")
def list_command(json: options.Json = False) -> None:
    """List the benchmarks that `sirius bench --task` has left, the newest first."""
    from sirius_cli.services.bench.quality import runs

    found = runs.list_runs()
    if json:
        output.write_json({"schema_version": _SCHEMA_VERSION, "runs": [_entry(run) for run in found]})
        return
    output.write_table(
        ["RUN", "CREATED", "MODEL", "TASKS", "METHODS", "ITEMS", "STATE", "SIZE"], [_row(run) for run in found]
    )
    for run in found:
        if run.problem:
            diagnostics.note(f"note: {terminal.one_line(run.problem)}")


@app.command()
def show(
    context: typer.Context,
    run: _Run,
    form: reports.FormatOption = None,
    output_file: reports.OutputFile = None,
    json: options.Json = False,
) -> None:
    """Show the last report of a benchmark."""
    from sirius_cli.services.bench.quality.reports import render

    chosen = reports.chosen(context, form, json)
    reports.deliver(render(_result(run), chosen), output_file)


@app.command()
def compare(
    context: typer.Context,
    a: _A,
    b: _B,
    form: reports.ComparisonFormat = None,
    output_file: reports.OutputFile = None,
    json: options.Json = False,
) -> None:
    """Put two benchmarks beside each other: the methods that both have, and in what the runs differ.

    The scores are compared as if the items were different ones (unpaired).
    """
    from sirius_cli.services.bench.quality.reports import render_comparison

    chosen = reports.chosen(context, form, json)
    reports.deliver(render_comparison(_result(a), _result(b), chosen), output_file)


@app.command()
def rm(names: _Runs, json: options.Json = False) -> None:
    """Remove benchmarks, answers included. Nothing is removed if one of them is unknown."""
    from sirius_cli.services.bench.quality import runs

    found = {run.folder: run for run in map(runs.find_run, names)}
    removed = []
    for run in found.values():
        freed = runs.remove_run(run)
        removed.append({"id": run.id, "freed_bytes": freed})
        diagnostics.note(f"removed {terminal.one_line(run.id)}, {readable(freed)} freed")
    if json:
        output.write_json({"schema_version": _SCHEMA_VERSION, "removed": removed})


def _result(spec: str) -> "BenchResult":
    from sirius_cli.services.bench.quality import runs

    return runs.load_result(runs.find_run(spec))


def _entry(run: "RunInfo") -> dict[str, Any]:
    manifest = run.manifest
    return {
        "id": run.id,
        "path": str(run.folder),
        "created": manifest.created if manifest else None,
        "model": manifest.model if manifest else None,
        "tasks": list(manifest.tasks) if manifest else [],
        "methods": list(manifest.methods) if manifest else [],
        "items": run.items,
        "state": run.state,
        "size_bytes": run.size,
        "problem": run.problem or None,
    }


def _row(run: "RunInfo") -> list[str]:
    items = "-" if run.items is None else str(run.items)
    return [run.id, *_asked(run), items, run.state, readable(run.size)]


def _asked(run: "RunInfo") -> list[str]:
    if run.manifest is None:
        return ["-"] * 4
    manifest = run.manifest
    return [manifest.created, manifest.model, _some(manifest.tasks), _some(manifest.methods)]


def _some(names: Sequence[str]) -> str:
    """The first of ``names``, and how many more there are: a line is to fit a terminal, --json and show tell all."""
    shown = names if len(names) <= _NAMES else names[: _NAMES - 1]
    more = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
    return ", ".join([*shown, *more])
