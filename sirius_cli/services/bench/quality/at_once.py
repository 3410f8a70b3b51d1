"""The score of one answer as soon as it is there, for whoever watches. The report is lm-eval's own."""

from dataclasses import replace
from typing import Any

from sirius_cli.services.bench.tasks.catalogue import metric_of


def score(task: Any, request: Any, text: str) -> float | None:
    """What ``text`` is worth as the answer to ``request``; None where that takes more than a look at it.

    Programs are run once, for the report, and not for this.
    """
    if getattr(task, "UNSAFE_CODE", False):
        return None
    name, _, chosen = metric_of(task).partition(",")
    trial = replace(request, resps=[text], filtered_resps={})
    for ensemble in task._filters:
        ensemble.apply([trial])
    if chosen not in trial.filtered_resps:
        return None
    value = task.process_results(request.doc, [trial.filtered_resps[chosen]]).get(name)
    return float(value) if isinstance(value, int | float) else None
