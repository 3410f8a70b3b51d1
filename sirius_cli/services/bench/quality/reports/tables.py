"""The results of a benchmark as tables: what every written form shows."""

from sirius_cli.core.profile import Profile
from sirius_cli.core.safe_text import one_line
from sirius_cli.services.bench.quality.results import Agreement, BenchResult, Interval, MethodResult, TaskResult
from sirius_cli.services.reports.table import Column, Table, Value

LEGEND = (
    "SCORE: ± lm-eval's standard error. DIFFERENCE: from the first method on the same items, with the 95 % interval of "
    "a paired bootstrap. RECOVERY: how much of what the draft alone lost the checks brought back. AAL: tokens per "
    "check. DENSITY, READ: weights used per token, and bytes of them read, over dense decoding's, for a single text. "
    "LOOKED UP: accepted tokens that were copied from the text, without a draft step. "
    "SAME AS DENSE: answers equal to the first method's, and in brackets the median place, from 0, where the others "
    "part. LENGTH: tokens of an answer. SECONDS: of the engine.",
)

_COLUMNS = (
    Column("method", "method", "text"),
    Column("score", "score", "composed"),
    Column("difference", "difference", "composed"),
    Column("recovery", "recovery", "percent"),
    Column("aal", "AAL", "hundredths"),
    Column("effective_density", "density", "ratio"),
    Column("effective_read", "read", "ratio"),
    Column("corrected_fraction", "corrected", "percent"),
    Column("looked_up", "looked up", "percent"),
    Column("mean_length", "length", "tenths"),
    Column("agreement", "same as dense", "composed"),
    Column("seconds", "seconds", "tenths"),
)
_FACTS = ("run", "created", "state", "model", "task", "metric", "fewshot")
_COUNTS = ("items", "compared", "same")
_FIGURES = (
    "score", "stderr", "difference", "difference_low", "difference_high", "recovery", "aal", "draft_density",
    "effective_density", "effective_read", "corrected_fraction", "mean_length", "first_difference_median", "seconds",
    "looked_up",
)  # fmt: skip


def about(result: BenchResult) -> list[tuple[str, str]]:
    """What was run and where, as (name, value)."""
    return [
        ("run", result.run),
        ("created", result.created),
        ("model", result.model),
        ("device", result.device),
        ("dtype", result.dtype),
    ]


def problems(result: BenchResult) -> list[str]:
    """What a reader must know before the figures."""
    unfinished = f"{one_line(result.run)} is unfinished: not every item that was asked for has been answered"
    return [*([] if result.complete else [unfinished]), *filter(None, map(_cut_short, result.tasks))]


def _cut_short(task: TaskResult) -> str:
    most = max((method.truncated for method in task.methods), default=0)
    return f"{one_line(task.task)}: {most} prompts did not fit the context and lost their beginning" if most else ""


def conditions(result: BenchResult) -> list[tuple[str, str]]:
    """The settings, and the versions of what ran."""
    return [*result.settings.items(), *result.versions.items()]


def task_table(task: TaskResult) -> Table:
    """One row a method. Tokens that were looked up have a column where any were looked for."""
    idle = {"looked_up"} if all(method.looked_up is None for method in task.methods) else set()
    columns = tuple(column for column in _COLUMNS if column.name not in idle)
    return Table(task.task, heading(task), columns, tuple(_row(method, columns) for method in task.methods))


def heading(task: TaskResult) -> str:
    """The task, its metric, and how many items and examples there were."""
    better = "" if task.higher_is_better else " (lower is better)"
    return f"{task.task}: {task.metric}{better}, {task.fewshot}-shot, {_items(task)}"


def profiles_table(result: BenchResult) -> Table:
    """How the methods draft and check; what has no bearing on a method is left out."""
    profiles = {method.method: method.profile for task in result.tasks for method in task.methods}
    settings = {method: flattened(profile) for method, profile in profiles.items()}
    names = list(dict.fromkeys(name for values in settings.values() for name in values))
    columns = (Column("method", "method", "text"), *(Column(name, name.replace(".", " "), "text") for name in names))
    rows = tuple((method, *map(values.get, names)) for method, values in settings.items())
    return Table("profiles", "Profiles", columns, rows)


def flattened(profile: Profile) -> dict[str, str]:
    """The values that decide what ``profile`` does, by dotted name."""
    draft, check = profile.draft, profile.correction.model_dump()
    if not profile.drafts:
        return {"draft.method": "dense"}
    idle = {"group"} if draft.precision == "native" else set()
    idle |= set() if draft.precision == "int4" and draft.int8 else {"int8"}
    idle |= {"keep", "refresh", "decay"} if draft.method == "dense" else set()
    idle |= {"keep"} if draft.keeps else {"layers"}
    idle |= set() if profile.looks_up else {"lookup"}
    idle |= set() if profile.trees else {"tree_width", "tree_split"}
    kept = check if profile.corrects else {"enabled": False}
    named = {f"draft.{name}": value for name, value in draft.model_dump(exclude=idle).items()}
    named |= {f"correction.{name}": value for name, value in kept.items()}
    return {name: _word(value) for name, value in named.items()}


def number(score: float, sign: str = "") -> str:
    """A score, or a difference of two, for a reader; ``sign`` "+" shows it always."""
    return format(score, f"{sign}.3f" if abs(score) < 100 else f"{sign}.4g")


def raw_table(result: BenchResult) -> Table:
    """One row a task and method, for programs."""
    columns = tuple(Column(name, name, "figure") for name in (*_FACTS, "method", *_COUNTS, *_FIGURES))
    rows = tuple(_raw(result, task, method) for task in result.tasks for method in task.methods)
    return Table("methods", "Methods", columns, rows)


def _row(method: MethodResult, columns: tuple[Column, ...]) -> tuple[Value, ...]:
    composed: dict[str, Value] = {
        "score": _score(method),
        "difference": _difference(method.difference),
        "agreement": _agreement(method.agreement),
    }
    return tuple(
        composed[column.name] if column.name in composed else getattr(method, column.name) for column in columns
    )


def _score(method: MethodResult) -> str | None:
    if method.score is None:
        return None
    error = "" if method.stderr is None else f" ± {number(method.stderr)}"
    return number(method.score) + error


def _difference(value: Interval | None) -> str | None:
    return f"{number(value.value, '+')} [{number(value.low, '+')}, {number(value.high, '+')}]" if value else None


def _agreement(value: Agreement | None) -> str | None:
    if value is None:
        return None
    place = f" ({value.first_difference.median:g})" if value.first_difference else ""
    return f"{value.same} of {value.compared}{place}"


def _raw(result: BenchResult, task: TaskResult, method: MethodResult) -> tuple[Value, ...]:
    state = "complete" if result.complete else "unfinished"
    facts: tuple[Value, ...] = (result.run, result.created, state, result.model, task.task, task.metric, task.fewshot)
    difference, agreement = method.difference, method.agreement
    more: dict[str, Value] = {
        "difference": difference.value if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "compared": agreement.compared if agreement else None,
        "same": agreement.same if agreement else None,
        "first_difference_median": _parting(agreement),
    }
    figures = (more[name] if name in more else getattr(method, name) for name in (*_COUNTS, *_FIGURES))
    return (*facts, method.method, *figures)


def _parting(agreement: Agreement | None) -> float | None:
    return agreement.first_difference.median if agreement and agreement.first_difference else None


def _items(task: TaskResult) -> str:
    counts = sorted({method.items for method in task.methods})
    if len(counts) > 1:
        return f"{counts[0]} to {counts[-1]} items"
    return "1 item" if counts == [1] else f"{counts[0] if counts else 0} items"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
