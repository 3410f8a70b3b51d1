"""Two runs beside each other: what their methods came to, and in what the runs differ."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sirius_cli.services.bench.quality.reports.finite import finite_number
from sirius_cli.services.bench.quality.reports.tables import about, flattened
from sirius_cli.services.bench.quality.results import BenchResult, MethodResult, TaskResult


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure of both runs."""

    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True)
class MethodPair:
    """A method that both runs have on a task.

    ``difference`` is the score of B minus that of A and ``stderr`` its standard error, as if the items were drawn
    independently of each other; both None where the metric is not the same. ``seconds`` are the engine's.
    """

    task: str
    method: str
    score: Pair
    difference: float | None
    stderr: float | None
    aal: Pair
    effective_density: Pair
    seconds: Pair


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that is not the same; None where a run does not have it."""

    name: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """``a`` and ``b``, which the caller has made finite."""

    a: BenchResult
    b: BenchResult
    methods: tuple[MethodPair, ...]
    settings: tuple[Setting, ...]


def compare(a: BenchResult, b: BenchResult) -> RunComparison:
    """Pair tasks and methods by name."""
    return RunComparison(a, b, tuple(_methods(a, b)), tuple(_differences(_conditions(a), _conditions(b))))


def _methods(a: BenchResult, b: BenchResult) -> Iterator[MethodPair]:
    others = {(task.task, method.method): (task, method) for task in b.tasks for method in task.methods}
    for task in a.tasks:
        for method in task.methods:
            if found := others.get((task.task, method.method)):
                yield _pair(task, method, *found)


def _pair(task: TaskResult, method: MethodResult, other_task: TaskResult, other: MethodResult) -> MethodPair:
    alike = task.metric == other_task.metric
    return MethodPair(
        task=task.task,
        method=method.method,
        score=Pair(method.score, other.score),
        difference=_minus(other.score, method.score) if alike else None,
        stderr=_together(method.stderr, other.stderr) if alike else None,
        aal=Pair(method.aal, other.aal),
        effective_density=Pair(method.effective_density, other.effective_density),
        seconds=Pair(method.seconds, other.seconds),
    )


def _minus(one: float | None, other: float | None) -> float | None:
    return finite_number(one - other) if one is not None and other is not None else None


def _together(one: float | None, other: float | None) -> float | None:
    return finite_number(math.hypot(one, other)) if one is not None and other is not None else None


def _differences(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Setting]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield Setting(name, a.get(name), b.get(name))


def _conditions(result: BenchResult) -> dict[str, str]:
    """All that may explain a difference, by name."""
    found = {name: value for name, value in about(result) if name not in ("run", "created")}
    found |= {f"setting {name}": value for name, value in result.settings.items()}
    found |= {f"version of {name}": value for name, value in result.versions.items()}
    for task in result.tasks:
        found |= {f"{task.task}: metric": task.metric, f"{task.task}: few-shot": str(task.fewshot)}
        for method in task.methods:
            found[f"{task.task}: items of {method.method}"] = str(method.items)
            found |= {f"{method.method}: {name}": value for name, value in flattened(method.profile).items()}
    return found
