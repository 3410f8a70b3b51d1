"""A comparison of two runs as tables, as JSON data and as a page."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sirius_cli.services.bench.quality.reports import tables
from sirius_cli.services.bench.quality.reports.comparison import MethodPair, Pair, RunComparison
from sirius_cli.services.bench.quality.reports.page import WIDE_TABLES
from sirius_cli.services.bench.quality.results import BenchResult
from sirius_cli.services.reports import markup
from sirius_cli.services.reports.table import Column, Kind, Table, Value

SCHEMA_VERSION = 1
TITLE = "Two benchmarks"
NOTES = (
    "B - A: difference of the scores ± its standard error, unpaired: from the standard errors of both, as if they had "
    "answered different items. Where the items are the same, the difference is surer than that.",
)
_PAIRED: Mapping[str, tuple[str, Kind]] = {
    "aal": ("AAL", "hundredths"),
    "effective_density": ("density", "ratio"),
    "seconds": ("seconds", "tenths"),
}


def about(comparison: RunComparison) -> list[tuple[str, str]]:
    """Which runs are compared."""
    return [("A", _run(comparison.a)), ("B", _run(comparison.b))]


def all_tables(comparison: RunComparison) -> list[Table]:
    """The methods that both runs have, and in what the runs differ."""
    return [methods_table(comparison), settings_table(comparison)]


def methods_table(comparison: RunComparison) -> Table:
    """One row a task and method."""
    columns = (
        Column("task", "task", "text"), Column("method", "method", "text"), Column("score_a", "score A", "composed"),
        Column("score_b", "score B", "composed"), Column("difference", "B - A", "composed"),
        *(Column(f"{name}_{run.lower()}", f"{label} {run}", kind) for name, (label, kind) in _PAIRED.items()
          for run in "AB"),
    )  # fmt: skip
    rows = tuple(
        (p.task, p.method, _score(p.score.a), _score(p.score.b), _change(p), *_paired(p)) for p in comparison.methods
    )
    return Table("methods", "Methods of both, unpaired", columns, rows)


def settings_table(comparison: RunComparison) -> Table:
    """What is not the same in both runs."""
    columns = (Column("name", "what", "text"), Column("a", "A", "text"), Column("b", "B", "text"))
    return Table("settings", "Different settings", columns, tuple((s.name, s.a, s.b) for s in comparison.settings))


def raw_table(comparison: RunComparison) -> Table:
    """One row a task and method, for programs."""
    names = ("score_a", "score_b", "difference", "difference_stderr", *(f"{n}_{run}" for n in _PAIRED for run in "ab"))
    texts = tuple(Column(name, name, "text") for name in ("run_a", "run_b", "task", "method"))
    runs = (comparison.a.run, comparison.b.run)
    rows = tuple(
        (*runs, p.task, p.method, p.score.a, p.score.b, p.difference, p.stderr, *_paired(p)) for p in comparison.methods
    )
    return Table("methods", "Methods", (*texts, *(Column(name, name, "figure") for name in names)), rows)


def comparison_to_json(comparison: RunComparison) -> dict[str, Any]:
    """The document of ``sirius runs compare --format json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: _head(run) for name, run in (("a", comparison.a), ("b", comparison.b))},
        "paired": False,
        "methods": [asdict(pair) for pair in comparison.methods],
        "settings": [asdict(setting) for setting in comparison.settings],
    }


def page_of(comparison: RunComparison) -> str:
    """The comparison as one HTML file."""
    problems = [problem for run in (comparison.a, comparison.b) for problem in tables.problems(run)]
    body = [
        f"<header><h1>{TITLE}</h1>{markup.about(about(comparison))}</header>",
        *map(markup.problem, problems),
        *map(markup.section, all_tables(comparison)),
        markup.footer(NOTES),
    ]
    return markup.page(TITLE, body, WIDE_TABLES)


def _run(result: BenchResult) -> str:
    ending = "" if result.complete else ", unfinished"
    return f"{result.run}, {result.created}, {result.model} on {result.device}{ending}"


def _head(result: BenchResult) -> dict[str, Any]:
    return {**dict(tables.about(result)), "complete": result.complete}


def _score(score: float | None) -> str | None:
    return None if score is None else tables.number(score)


def _change(pair: MethodPair) -> str | None:
    if pair.difference is None:
        return None
    error = "" if pair.stderr is None else f" ± {tables.number(pair.stderr)}"
    return tables.number(pair.difference, "+") + error


def _paired(method: MethodPair) -> Iterator[Value]:
    for name in _PAIRED:
        pair: Pair = getattr(method, name)
        yield from (pair.a, pair.b)
