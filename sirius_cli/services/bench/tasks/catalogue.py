"""The tasks of ``sirius bench --task``: lm-eval's, and ours where it has none or one that is not safe to use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench.tasks.harness import Found, find, first_line, reaching
from sirius_cli.services.bench.tasks.local_data import LocalData
from sirius_cli.services.bench.tasks.scores import higher_is_better, kind_of, metric_of
from sirius_cli.services.bench.tasks.short_names import SHORT_NAMES

if TYPE_CHECKING:
    from lm_eval.api.task import Task

__all__ = ["SHORT_NAMES", "higher_is_better", "kind_of", "load_tasks", "metric_of"]


def load_tasks(
    names: Sequence[str],
    *,
    data: Path | None,
    num_fewshot: int | None,
    seed: int,
    allow_code: bool,
    shots: Path | None = None,
) -> "dict[str, Task]":
    """The tasks that ``names`` stand for, ready for lm-eval's ``task.build_all_requests(...)``.

    A task goes by the name that was asked for, those of a group by their own. ``data`` is a JSON Lines file with the
    fields of the task's data set, to be used instead of it; then nothing is fetched. The task's prompts and scores
    stay, and so do its worked examples, unless ``shots`` is a file of other ones, taken in its order. gsm8k takes its
    examples from the data set, so with ``data`` and no ``shots`` it has eight of ours. ``num_fewshot`` is how many
    examples to show, None for the task's own number; ``seed`` draws them where a data set has more. ``allow_code``
    permits tasks that run what a model has written.

    Raises:
        UsageError: for an unknown task, a code task without ``allow_code``, ``data`` with several tasks, more examples
            than there are.
        EnvironmentProblem: if lm-eval is missing, or a data set cannot be reached.
        ModelError: for a file that cannot be read, is no JSON Lines or has rows without the fields that the task needs
            (with file and line), or a broken data set.
    """
    wanted = list(dict.fromkeys(names))
    _expect_one_choice(wanted, data, shots, num_fewshot)
    found = [find(name) for name in wanted]
    for entry in found:
        _expect_permission(entry, allow_code)
    tasks: dict[str, Task] = {}
    for entry in found:
        tasks |= _load(entry, data, shots)
    for name, task in tasks.items():
        _set_examples(name, task, num_fewshot, seed, shots)
    return tasks


def _expect_one_choice(names: Sequence[str], data: Path | None, shots: Path | None, num_fewshot: int | None) -> None:
    if not names:
        raise UsageError("there is no task to run", f"name one, for instance {next(iter(SHORT_NAMES))}")
    if data is not None and len(names) > 1:
        raise UsageError(f"--data is for one task, not for {', '.join(names)}", "run them one after another")
    if shots is not None and data is None:
        raise UsageError("--shots is for problems from a file", "give --data too")
    if num_fewshot is not None and num_fewshot < 0:
        raise UsageError(f"--num-fewshot cannot be {num_fewshot}", "give 0 or more")


def _expect_permission(found: Found, allow_code: bool) -> None:
    """Our code tasks run programs in a sandbox, lm-eval's in its own process."""
    if found.short is None:
        _expect_no_code(found.name, found.config.get("unsafe_code"))
    elif found.short.runs_code and not allow_code:
        raise UsageError(f"{found.name} runs programs that the model wrote", "permit it with --allow-code-execution")


def _expect_no_code(name: str, runs_code: Any) -> None:
    if runs_code:
        ours = " or ".join(name for name, short in SHORT_NAMES.items() if short.runs_code)
        raise UsageError(f"{name} would run the model's programs without a sandbox", f"take {ours}")


def _load(found: Found, data: Path | None, shots: Path | None) -> "dict[str, Task]":
    tasks = LocalData(data, shots).build(found) if data is not None else _fetch(found)
    return tasks if found.is_group else {found.name: tasks[found.task]}


def _fetch(found: Found) -> "dict[str, Task]":
    hint = "check the network, or give a local file with --data"
    try:
        with reaching(found, "the data set", hint):
            tasks = found.build_group() if found.is_group else found.build({found.task: {}})
    except (ValueError, RuntimeError) as error:
        message = f"the data set of {found.name} cannot be used: {first_line(error)}"
        raise ModelError(message, "give a local file with --data") from error
    if found.short is None:
        for name, task in tasks.items():
            _expect_no_code(name, task.config.unsafe_code)
    return tasks


def _set_examples(name: str, task: "Task", num_fewshot: int | None, seed: int, shots: Path | None) -> None:
    """Have ``task`` show so many worked examples, if there are, and never its own problems with their answers."""
    if num_fewshot is not None:
        task.set_config("num_fewshot", num_fewshot)
    task.set_fewshot_seed(seed)
    count, there = task.config.num_fewshot or 0, len(task.sampler.df) if _has_examples(task.config) else 0
    if count > there:
        raise UsageError(
            f"{name} has {there} worked examples, not {count}", "lower --num-fewshot, or give --shots FILE"
        )
    if shots is not None and count == 0:
        raise UsageError(f"{name} shows no worked examples, so {shots} is of no use", "say how many with --num-fewshot")


def _has_examples(config: Any) -> bool:
    """Whether there are examples beside the problems: lm-eval would take those where there are none."""
    own = config.fewshot_config.split is not None or config.fewshot_config.samples is not None
    return bool(own or config.training_split or (config.validation_split and config.test_split))
