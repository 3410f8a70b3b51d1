"""Results without numbers that no report can show and no JSON can hold."""

import math
from dataclasses import astuple, replace

from sirius_cli.core.statistics import Summary
from sirius_cli.services.bench.quality.results import Agreement, BenchResult, Interval, MethodResult, TaskResult


def finite(result: BenchResult) -> BenchResult:
    """``result`` with None for figures that are infinite or no number, and without such scores."""
    return replace(result, tasks=tuple(map(_task, result.tasks)))


def finite_number(value: float | None) -> float | None:
    """``value`` if it is finite."""
    return value if value is not None and math.isfinite(value) else None


def _task(task: TaskResult) -> TaskResult:
    scores = {
        method: {metric: score for metric, score in metrics.items() if math.isfinite(score)}
        for method, metrics in task.scores.items()
    }
    return replace(task, methods=tuple(map(_method, task.methods)), scores=scores)


def _method(method: MethodResult) -> MethodResult:
    return replace(
        method,
        score=finite_number(method.score),
        stderr=finite_number(method.stderr),
        difference=_interval(method.difference),
        recovery=finite_number(method.recovery),
        aal=finite_number(method.aal),
        aal_by_request=_summary(method.aal_by_request),
        draft_density=finite_number(method.draft_density),
        effective_density=finite_number(method.effective_density),
        effective_read=finite_number(method.effective_read),
        corrected_fraction=finite_number(method.corrected_fraction),
        mean_length=finite_number(method.mean_length),
        agreement=_agreement(method.agreement),
        looked_up=finite_number(method.looked_up),
    )


def _interval(value: Interval | None) -> Interval | None:
    return value if value and all(map(math.isfinite, astuple(value))) else None


def _summary(value: Summary | None) -> Summary | None:
    return value if value and all(map(math.isfinite, astuple(value))) else None


def _agreement(value: Agreement | None) -> Agreement | None:
    return replace(value, first_difference=_summary(value.first_difference)) if value else None
