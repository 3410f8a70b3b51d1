"""Whether the methods of a benchmark are good enough."""

from collections.abc import Iterator

from sirius_cli.services.bench.quality.results import BenchResult, MethodResult, TaskResult


def shortfalls(result: BenchResult, threshold: float) -> list[str]:
    """Which methods miss ``threshold``, a line each; none if all is well.

    The baseline and drafts without a check are there to compare with and may score as they like. A method without a
    score misses it too.
    """
    return [line for task in result.tasks for method in task.methods[1:] for line in _missed(task, method, threshold)]


def _missed(task: TaskResult, method: MethodResult, threshold: float) -> Iterator[str]:
    if not method.profile.corrects:
        return
    if method.score is None:
        yield f"{task.task}: {method.method} has no score"
    elif task.higher_is_better and not method.score >= threshold:
        yield f"{task.task}: {method.method} scores {method.score:.4g}, below {threshold:g}"
    elif not task.higher_is_better and not method.score <= threshold:
        yield f"{task.task}: {method.method} scores {method.score:.4g}, above {threshold:g}"
