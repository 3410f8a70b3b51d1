"""The charts of a task."""

from collections import Counter
from collections.abc import Callable, Sequence

from sirius_cli.services.bench.quality.reports.tables import number
from sirius_cli.services.bench.quality.results import Interval, MethodResult, TaskResult
from sirius_cli.services.reports import histograms, scatter
from sirius_cli.services.reports.histograms import Histogram
from sirius_cli.services.reports.scatter import Point, Reference


def all_charts(task: TaskResult) -> list[tuple[str, str]]:
    """Each chart for which there are figures, with its title."""
    drawn: dict[str, Callable[[str, TaskResult], str]] = {}
    if any(method.effective_density for method in _others(task)):
        drawn["Score against effective density"] = density
    elif _others(task):
        drawn["Score"] = scores
    if any(method.difference for method in task.methods):
        drawn["Difference in score, and its interval of 95 %"] = differences
    if any(method.profile.corrects and method.advances for method in task.methods):
        drawn["Advance per check"] = advances
    if any(method.lengths for method in task.methods):
        drawn["Length of answers"] = lengths
    return [(title, draw(title, task)) for title, draw in drawn.items()]


def density(title: str, task: TaskResult) -> str:
    """Where each method stands between fast and right."""
    points = [_point(method, method.effective_density) for method in _others(task) if method.effective_density]
    return scatter.plane(title, points, _reference(task, 1.0), "effective density (1 is dense)", _metric(task))


def scores(title: str, task: TaskResult) -> str:
    """The scores alone, where nothing was generated."""
    return scatter.dots(title, [_point(method, 0.0) for method in _others(task)], _reference(task), _metric(task))


def differences(title: str, task: TaskResult) -> str:
    """How far from the baseline each method is."""
    points = [_change(method.method, method.difference) for method in task.methods if method.difference]
    baseline = Reference(task.methods[0].method, 0.0, 0.0, 0.0)
    return scatter.dots(title, points, baseline, f"{_metric(task)}, from {baseline.label}")


def advances(title: str, task: TaskResult) -> str:
    """How many tokens the checks of each method committed."""
    checked = [method for method in task.methods if method.profile.corrects and method.advances]
    drawn = [Histogram(method.method, _counts(method), _told("AAL", method.aal, 2)) for method in checked]
    return histograms.stacked(title, drawn, "tokens committed by a check", "checks")


def lengths(title: str, task: TaskResult) -> str:
    """How long the answers of each method were."""
    generated = [method for method in task.methods if method.lengths]
    drawn = [Histogram(m.method, Counter(m.lengths), _told("mean", m.mean_length, 1)) for m in generated]
    return histograms.stacked(title, drawn, "tokens of an answer", "answers")


def _others(task: TaskResult) -> Sequence[MethodResult]:
    """What the baseline is compared with, as far as it has a score."""
    return [method for method in task.methods[1:] if method.score is not None]


def _point(method: MethodResult, x: float | None) -> Point:
    score, error = method.score or 0.0, method.stderr or 0.0
    where = f", effective density {x:.3f}" if x else ""
    told = f"{method.method}: {number(score)} ± {number(error)}{where}"
    return Point(method.method, x or 0.0, score, score - error, score + error, told)


def _change(label: str, difference: Interval) -> Point:
    low, value, high = (number(part, "+") for part in (difference.low, difference.value, difference.high))
    return Point(label, 0.0, difference.value, difference.low, difference.high, f"{label}: {value}, {low} to {high}")


def _reference(task: TaskResult, x: float | None = None) -> Reference | None:
    baseline = task.methods[0] if task.methods else None
    if baseline is None or baseline.score is None:
        return None
    error = baseline.stderr or 0.0
    return Reference(baseline.method, baseline.score, baseline.score - error, baseline.score + error, x)


def _metric(task: TaskResult) -> str:
    return task.metric if task.higher_is_better else f"{task.metric} (lower is better)"


def _counts(method: MethodResult) -> Counter[int]:
    counts: Counter[int] = Counter()
    for advance, checks in method.advances:
        counts[advance] += checks
    return counts


def _told(name: str, value: float | None, digits: int) -> str:
    return f"{name} {value:.{digits}f}" if value is not None else ""
