"""Runs the methods of a plan on its tasks, item by item on disk, and says what came of it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services import recording
from sirius_cli.services.bench.quality import at_once, figures, runs
from sirius_cli.services.bench.quality.answering import Engine
from sirius_cli.services.bench.quality.figures import Judged
from sirius_cli.services.bench.quality.live import Live, Standing
from sirius_cli.services.bench.quality.methods import Method
from sirius_cli.services.bench.quality.plan import Plan
from sirius_cli.services.bench.quality.results import BenchResult, MethodResult, TaskResult
from sirius_cli.services.bench.quality.samples import Sample, SampleStore, Written
from sirius_cli.services.bench.tasks import catalogue
from sirius_cli.services.reports import saving

Watch = Callable[[Standing], None]
_RESAMPLES = 1000  # resamples for metrics whose standard error has no formula


@dataclass(frozen=True, slots=True)
class Run:
    """A plan at work on a model: ``folder`` keeps its answers. ``answers`` names what decides about them."""

    id: str
    folder: Path
    plan: Plan
    answers: str = ""


@contextmanager
def hold(run: Run, *, fresh: bool) -> Iterator[None]:
    """Keep other processes out of ``run`` while the block runs.

    ``fresh`` forgets the answers that it has; else those that other runs have of its methods are taken over.

    Raises:
        EnvironmentProblem: if another process is at work on it, or its folder cannot be made.
    """
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(run.folder / runs.LOCK).acquire(timeout=0)
    except Timeout as error:
        raise EnvironmentProblem(f"another sirius is at work on the run {run.id}", "wait until it ends") from error
    except OSError as error:
        message = f"cannot make the run's folder {run.folder}: {error.strerror}"
        raise EnvironmentProblem(message, "give a folder you may write to in SIRIUS_HOME") from error
    with held:
        for file in run.folder.glob("samples-*.jsonl") if fresh else ():
            file.unlink()
        if not fresh:
            runs.adopt_samples(run.folder, run.answers, run.plan.methods)
        yield


def load_tasks(plan: Plan) -> dict[str, Any]:
    """The tasks of ``plan``, with their items. No model is needed for that, so mistakes come to light before one loads.

    Raises:
        SiriusError: for a task or data that cannot be had.
    """
    tasks = catalogue.load_tasks(
        plan.tasks,
        data=plan.data,
        shots=plan.shots,
        num_fewshot=plan.num_fewshot,
        seed=plan.seed,
        allow_code=plan.allow_code,
    )
    for name in plan.samples or ():
        if name not in tasks:
            raise UsageError(f"--samples names {name!r}, which is no task of this run", f"there is {', '.join(tasks)}")
    if plan.samples is not None:
        for name, task in tasks.items():
            _expect_places(name, plan.samples.get(name, []), len(task.eval_docs))
    return tasks


def _expect_places(name: str, places: list[int], items: int) -> None:
    if not places:
        raise UsageError(f"--samples names no item of {name}", "give one at least, or leave out the task")
    if max(places) >= items:
        raise UsageError(
            f"--samples: {name} has {items} items, and no place {max(places)}", "places are counted from 0"
        )


def evaluate(
    run: Run, tasks: Mapping[str, Any], engine: Engine, watch: Watch, *, log_samples: Path | None = None
) -> BenchResult:
    """Answer what has not been answered yet, and report. Call inside ``hold``; ``watch`` hears of every answer.

    ``log_samples`` is a folder for what lm-eval logs of each item: its document, prompt, answers and metrics.

    Raises:
        SiriusError: from the engine, or where answers cannot be kept.
    """
    plan, loaded = run.plan, engine.loaded
    created = datetime.now(UTC).isoformat(timespec="seconds")
    names = tuple(method.name for method in plan.methods)
    settings = plan.settings()
    manifest = runs.Manifest(run.id, created, loaded.model, plan.tasks, names, settings, run.answers)
    runs.write_manifest(run.folder, manifest)
    result = BenchResult(
        run=run.id,
        created=created,
        model=loaded.model,
        device=loaded.device,
        dtype=loaded.dtype,
        settings=settings,
        versions=recording.versions("lm-eval"),
        complete=True,
        tasks=tuple(_task_result(run, engine, name, task, watch, log_samples) for name, task in tasks.items()),
    )
    runs.save_result(run.folder, result)
    return result


def _task_result(run: Run, engine: Engine, name: str, task: Any, watch: Watch, log_samples: Path | None) -> TaskResult:
    judged: dict[str, Judged] = {}
    metric = catalogue.metric_of(task)
    for method in run.plan.methods:
        report, samples = _judge(run, engine.twin(method.profile), method, name, task, watch)
        judged[method.name] = figures.judged(report, name, metric, samples)
        if log_samples is not None:
            _log(log_samples / f"{runs.slug(name)}-{runs.slug(method.name)}.jsonl", report["samples"][name])
    baseline = run.plan.methods[0]
    return TaskResult(
        task=name,
        metric=metric,
        higher_is_better=catalogue.higher_is_better(task),
        fewshot=int(task.config.num_fewshot or 0),
        methods=tuple(_method_result(run.plan.methods, method, baseline, judged) for method in run.plan.methods),
        scores={method: one.scores for method, one in judged.items()},
    )


def _method_result(
    methods: Sequence[Method], method: Method, baseline: Method, judged: Mapping[str, Judged]
) -> MethodResult:
    alone = next((one for one in methods if _is_draft_of(one, method)), None)
    return figures.method_result(
        method,
        judged[method.name],
        baseline=None if method is baseline else judged[baseline.name],
        dense=None if baseline.profile.drafts else judged[baseline.name],
        sparse=judged[alone.name] if alone else None,
    )


def _is_draft_of(one: Method, corrected: Method) -> bool:
    """Whether ``one`` is what ``corrected`` is without its checks."""
    same = one.profile.draft == corrected.profile.draft
    return same and corrected.profile.corrects and not one.profile.corrects


def _judge(
    run: Run, engine: Engine, method: Method, name: str, task: Any, watch: Watch
) -> tuple[dict[str, Any], dict[int, list[Sample]]]:
    """Run one method on one task through lm-eval: its report, and the samples by item."""
    from lm_eval.evaluator import evaluate as judge

    from sirius_cli.services.bench.quality.adapter import SiriusLM

    plan, ear = run.plan, _Ear(name, task, method.name, watch)
    with closing(SampleStore(runs.samples_file(run.folder, method))) as store:
        report = judge(
            SiriusLM(engine, store, batch=plan.batch, listener=ear, max_new_tokens=plan.max_new_tokens, seed=plan.seed),
            {"tasks": {name: task}},
            limit=plan.limit,
            samples=None if plan.samples is None else {name: plan.samples[name]},
            bootstrap_iters=_RESAMPLES,
            system_instruction=plan.system,
            apply_chat_template=plan.chat,
            fewshot_as_multiturn=plan.multiturn,
            confirm_run_unsafe_code=plan.allow_code,
        )
    assert report is not None  # it is for other ranks than the first alone
    return report, ear.samples


class _Ear:
    """Keeps what the model answered, by item, and says where things stand."""

    def __init__(self, name: str, task: Any, method: str, watch: Watch) -> None:
        self.samples: dict[int, list[Sample]] = {}
        self._task, self._watch = task, watch
        self._live = Live(name, method)

    def expect(self, requests: int) -> None:
        self._live.total += requests
        self._watch(self._live.standing())

    def hear(self, request: Any, sample: Sample, *, known: bool) -> None:
        self.samples.setdefault(request.doc_id, []).append(sample)
        text = sample.text if isinstance(sample, Written) else None
        score = None if text is None else at_once.score(self._task, request, text)
        self._watch(self._live.add(sample, score, known=known))


def _log(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises UsageError where ``file`` cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {file.parent}: {error.strerror}", "name another folder") from error
    saving.save(file, "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows))
