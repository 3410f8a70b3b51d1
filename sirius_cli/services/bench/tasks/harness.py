"""lm-eval: opened when a benchmark needs it, kept from writing to the terminal, its failures put into words."""

import difflib
import importlib.metadata
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services.bench.tasks.short_names import SHORT_NAMES, ShortName

if TYPE_CHECKING:
    from lm_eval.api.task import Task

OWN_TASKS = Path(__file__).parent / "yaml"
_GROUPS = ("GROUP", "TAG")
_INSTALL = "run pip install 'sirius-llm[eval]'"


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: ``task`` in lm-eval's index ``manager``. ``short`` is None for lm-eval's own names."""

    name: str
    short: ShortName | None
    manager: Any
    task: str

    @property
    def is_group(self) -> bool:
        """Whether it stands for several tasks."""
        return bool(self.manager.task_index[self.task].kind.name in _GROUPS)

    @property
    def config(self) -> Mapping[str, Any]:
        """The task file, with the paths of its functions."""
        return dict(self.manager.task_index[self.task].cfg or {})

    def build(self, overrides: Mapping[str, Mapping[str, Any]]) -> "dict[str, Task]":
        """The tasks that ``overrides`` names, each with its values changed."""
        members = [{"task": task, **self._own_changes(), **values} for task, values in overrides.items()]
        return dict(self.manager.load({"group": self.name, "task": members})["tasks"])

    def build_group(self) -> "dict[str, Task]":
        """All tasks of a group."""
        return dict(self.manager.load(self.task)["tasks"])

    def _own_changes(self) -> dict[str, Any]:
        """A second reading of the answers, where lm-eval's wants them worded just so."""
        if self.short is None or self.short.lenient is None:
            return {}
        steps = [{"function": "custom", "filter_fn": self.short.lenient}, {"function": "take_first"}]
        return {"filter_list": [*self.config["filter_list"], {"name": "flexible-extract", "filter": steps}]}


def find(name: str) -> Found:
    """What ``name`` stands for. Looking for one of lm-eval's own takes some seconds.

    Raises:
        EnvironmentProblem: if lm-eval is missing, or lacks what a short name stands for.
        UsageError: if there is no task of this name.
    """
    _open()
    short = SHORT_NAMES.get(name)
    if short is None:
        manager = _all_tasks()
        if name not in manager.task_index:
            raise UsageError(f"there is no task {name}", _near(name, manager.all_tasks))
        return Found(name, None, manager, name)
    manager = _index(short)
    if short.task not in manager.task_index:
        version = importlib.metadata.version("lm_eval")
        raise EnvironmentProblem(f"lm-eval {version} has no task {short.task}, which {name} stands for", _INSTALL)
    return Found(name, short, manager, short.task)


@contextmanager
def reaching(found: Found, what: str, hint: str) -> Iterator[None]:
    """Put into words that ``what`` cannot be reached, or that a package is missing.

    Raises:
        EnvironmentProblem: for either.
    """
    from huggingface_hub import errors

    network_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of the HTTP client in use
    try:
        yield
    except ImportError as error:
        raise EnvironmentProblem(f"{found.name} cannot run here: {first_line(error)}", _INSTALL) from error
    except (OSError, network_error) as error:
        raise EnvironmentProblem(f"{what} of {found.name} cannot be reached: {first_line(error)}", hint) from error


def first_line(error: Exception) -> str:
    """What ``error`` says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def first_n(examples: Any) -> Any:
    """lm-eval's sampler that takes worked examples in their order."""
    from lm_eval.api.samplers import get_sampler

    return get_sampler("first_n")(list(examples))


def _open() -> None:
    """Import lm-eval and quieten it.

    Its own bar has no switch; the bars and warnings of the others go by a setting of the process.
    """
    try:
        import datasets
        import lm_eval.api.task
        import lm_eval.tasks
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise EnvironmentProblem(f"benchmarks need lm-eval: {first_line(error)}", _INSTALL) from error
    for name in ("lm_eval", "datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    disable_progress_bars()
    lm_eval.api.task.tqdm = _without_bar


def _without_bar(items: Iterable[Any], **options: Any) -> Iterable[Any]:
    return items


@cache
def _all_tasks() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _index(short: ShortName) -> Any:
    """One folder alone: all 14,000 task files take seconds to read."""
    import lm_eval.tasks

    folder = OWN_TASKS if short.folder is None else Path(lm_eval.tasks.__file__).parent / short.folder
    return lm_eval.tasks.TaskManager(include_path=folder, include_defaults=False)


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, [*SHORT_NAMES, *known], n=3)
    close = list(dict.fromkeys(close))
    return f"did you mean {', '.join(close)}?" if close else "run sirius bench tasks to see the short names"
