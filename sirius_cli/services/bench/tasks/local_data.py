"""Runs a task on a local file of problems: lm-eval's prompts and scoring, our rows in place of its data set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sirius_cli.config.documents import near
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench.tasks.fields import Check, Fields, described, only, problem_with
from sirius_cli.services.bench.tasks.harness import Found, first_line, first_n, reaching
from sirius_cli.services.bench.tasks.records import Record, read_records

if TYPE_CHECKING:
    from lm_eval.api.task import Task

_PROBLEMS, _SHOTS = "problems", "shots"
_EXAMPLES = Path(__file__).parent / "examples"


@dataclass(frozen=True, slots=True)
class LocalData:
    """A file of problems, and one of worked examples or None."""

    problems: Path
    shots: Path | None

    def build(self, found: Found) -> "dict[str, Task]":
        """The tasks that ``found`` stands for, on these problems; those of a group that it has problems of.

        Raises:
            UsageError: for tasks that cannot take rows.
            ModelError: for a file that cannot be read, is no JSON Lines, or has rows that do not fit the task.
            EnvironmentProblem: if the task needs a package or a metric that is not here.
        """
        _expect_takes_rows(found)
        problems, shots = self._problems(found), self._shots(found)
        parts = dict(_parts(found, problems))
        with _fitting(found, self.problems):
            overrides = {name: _overrides(part, shots) for name, part in parts.items()}
        with _fitting(found, problems[0].place), reaching(found, "a part", "check the network"):
            tasks = found.build(overrides)
        for name, task in tasks.items():
            _finish(found, task, parts[name], shots)
        return tasks

    def _problems(self, found: Found) -> list[Record]:
        short, records = found.short, read_records(self.problems)
        return _alike(records) if short is None else _checked(found, records, short.fields, short.check)

    def _shots(self, found: Found) -> list[Record]:
        """The worked examples to show instead of the task's own; none to leave it at those."""
        if self.shots is None:
            return _own_examples(found)
        if found.short is None:
            return _alike(read_records(self.shots))
        if found.short.shot_fields is None:
            raise UsageError(f"{found.name} takes no worked examples", "leave out --shots")
        return _checked(found, read_records(self.shots), found.short.shot_fields, lambda values: "")


def _expect_takes_rows(found: Found) -> None:
    if found.short is None and found.is_group:
        raise UsageError(f"{found.name} is a group, and a local file is for one task", "name one of its tasks")
    if found.short is None and "class" in found.config:
        raise UsageError(f"{found.name} reads its data set itself and takes no local file", "leave out --data")


def _own_examples(found: Found) -> list[Record]:
    if found.short is None or not found.short.examples:
        return []
    path = _EXAMPLES / f"{found.name}.yaml"
    return [Record(path.name, row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]


def _checked(found: Found, records: Sequence[Record], fields: Fields, check: Check) -> list[Record]:
    """``records`` with nothing but the fields that are read."""
    optional = found.short.optional if found.short else ()
    for record in records:
        if problem := problem_with(record.values, fields, check):
            raise ModelError(f"{record.place}: {problem}", f"{found.name} needs {described(fields)}")
    return [Record(record.place, only(record.values, fields, optional)) for record in records]


def _alike(records: list[Record]) -> list[Record]:
    """``records``, if all have the fields of the first: a prompt would show "None" for one that is not there."""
    for record in records:
        if missing := records[0].values.keys() - record.values.keys():
            message = f"{record.place}: lacks {', '.join(sorted(missing))}, which {records[0].place} has"
            raise ModelError(message, "give all lines the same fields")
    return records


def _parts(found: Found, records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """The problems by the task that they belong to, in the order of its names."""
    if found.short is None or not found.short.split_by:
        yield found.task, list(records)
        return
    field = found.short.split_by

    def value_of(record: Record) -> str:
        return str(record.values[field])

    for value, group in groupby(sorted(records, key=value_of), value_of):
        part = list(group)
        yield _member(found, field, value, part[0].place), part


def _member(found: Found, field: str, value: str, place: str) -> str:
    prefix = f"{found.task}_"
    known = [task.removeprefix(prefix) for task in found.manager.all_subtasks]
    if value not in known:
        raise ModelError(f"{place}: {found.name} has no {field} {value!r}", near(value, known))
    return prefix + value


def _overrides(problems: Sequence[Record], shots: Sequence[Record]) -> dict[str, Any]:
    """What to change in a task file, so that it takes its rows from memory: nothing is cached, nothing is fetched."""
    splits = {_PROBLEMS: _table(problems)} | ({_SHOTS: _table(shots)} if shots else {})
    return {
        "custom_dataset": lambda **_: splits,
        "dataset_kwargs": None,
        "training_split": None,
        "validation_split": None,
        "test_split": _PROBLEMS,
        "fewshot_split": _SHOTS if shots else None,
    }


def _table(records: Sequence[Record]) -> Any:
    import datasets

    names = dict.fromkeys(name for record in records for name in record.values)
    return datasets.Dataset.from_dict({name: [record.values.get(name) for record in records] for name in names})


def _finish(found: Found, task: "Task", problems: Sequence[Record], shots: Sequence[Record]) -> None:
    """Have examples taken in their order, and try the rows: what lm-eval's own tasks read, their files alone tell."""
    if shots:
        task.sampler = first_n(task.fewshot_docs())
    if found.short is None:
        _try(found, task, task.eval_docs, problems)
        _try(found, task, task.fewshot_docs() if shots else [], shots)


def _try(found: Found, task: "Task", docs: Iterable[Mapping[str, Any]], records: Sequence[Record]) -> None:
    """Render each row; a task may drop some, and which is not known."""
    docs = list(docs)
    places = [record.place for record in records] if len(docs) == len(records) else ["a row"] * len(docs)
    for place, doc in zip(places, docs, strict=True):
        with _fitting(found, place):
            _render(task, doc)


def _render(task: "Task", doc: Mapping[str, Any]) -> None:
    """Raises whatever it raises, and LookupError for a missing field, whose name lm-eval would put into the prompt."""
    config = task.config
    for template in (config.doc_to_text, config.doc_to_target, config.doc_to_choice):
        if isinstance(template, str) and template.isidentifier() and template not in doc:
            raise LookupError(f"no {template}")
    task.doc_to_text(doc)
    task.doc_to_target(doc)
    if config.doc_to_choice is not None:
        task.doc_to_choice(doc)


@contextmanager
def _fitting(found: Found, place: object) -> Iterator[None]:
    """Put into words what lm-eval's templates and functions raise for a row that lacks what they read."""
    from jinja2 import TemplateError

    try:
        yield
    except (TemplateError, LookupError, TypeError, ValueError, OverflowError, AttributeError, SyntaxError) as error:
        message = f"{place}: not what {found.name} reads: {first_line(error)}"
        raise ModelError(message, f"give the fields that {found.config.get('dataset_path')} has") from error
