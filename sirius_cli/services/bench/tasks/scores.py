"""Which of a task's scores counts, and what a task asks a model for."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lm_eval.api.task import Task

Kind = Literal["generate", "choice", "perplexity"]
# Where the first score of the task file is not the one that is usually given.
_MAIN_METRIC = {"coqa": "f1", "cnn_dailymail": "rougeL", "truthfulqa_gen": "bleu_acc"}
# The answer counts, not how its sentence ends: lm-eval's strict filters lose "the answer is yes" without a full stop.
_MAIN_FILTERS = ("flexible-extract", "get-answer")
_KINDS: dict[str, Kind] = {"generate_until": "generate", "loglikelihood_rolling": "perplexity"}


def metric_of(task: "Task") -> str:
    """The main score of ``task`` as lm-eval keys it: "exact_match,flexible-extract"."""
    filters = [entry["name"] for entry in task.config.filter_list or ()]
    preferred = [name for name in _MAIN_FILTERS if name in filters]
    return f"{_metric(task)},{[*preferred, *filters, 'none'][0]}"


def higher_is_better(task: "Task") -> bool:
    """Whether more is better, of the main score of ``task``."""
    return bool(task.higher_is_better()[_metric(task)])


def kind_of(task: "Task") -> Kind:
    """What ``task`` asks for: a text, the most likely of given texts, or the likelihood of a long one."""
    return _KINDS.get(task.config.output_type, "choice")


def _metric(task: "Task") -> str:
    metrics = list(task.aggregation())
    usual = _MAIN_METRIC.get(task.config.task, "acc")
    return str(usual if usual in metrics else metrics[0])
