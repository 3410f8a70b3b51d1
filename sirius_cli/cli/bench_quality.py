"""``sirius bench --task``: what drafts and checks cost in answers, and what they bring."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirius_cli.cli import bench_progress, diagnostics, interrupts, progress, reports
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sirius_cli.core.profile import Profile
    from sirius_cli.services.bench.quality.evaluation import Run
    from sirius_cli.services.bench.quality.plan import Plan
    from sirius_cli.services.bench.quality.results import BenchResult
    from sirius_cli.services.session import ModelChoice


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to come out of a run, and where. ``fail_under`` is the lowest score that passes."""

    format: reports.Format = reports.Format.TABLE
    output: Path | None = None
    fail_under: float | None = None
    log_samples: Path | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.fail_under is not None and not math.isfinite(self.fail_under):
            raise UsageError(
                f"--fail-under cannot be {self.fail_under}", "give the lowest score that passes, such as 0.4"
            )

    def check(self, plan: "Plan") -> None:
        """Refuse what could only be found out when all is answered.

        Raises:
            UsageError: if no method of ``plan`` could fail, or a file cannot be written.
        """
        corrected = [method for method in plan.methods[1:] if method.profile.corrects]
        if self.fail_under is not None and not corrected:
            raise UsageError("--fail-under judges corrected methods, and none is compared", "add one to --compare")
        reports.expect_writable(self.output, reads=(plan.data, plan.shots))
        if self.log_samples is not None and self.log_samples.exists() and not self.log_samples.is_dir():
            raise UsageError(f"--log-samples: {self.log_samples} is no folder", "name a folder, which may be a new one")


def run(plan: "Plan", choice: "ModelChoice", profile: "Profile", wish: Wish) -> ExitCode:
    """Run ``plan`` and report. What an earlier call of the same command has answered is not answered again.

    Raises:
        SiriusError: for whatever the user can mend.
    """
    wish.check(plan)
    if find_spec("lm_eval") is None:
        raise EnvironmentProblem("tasks need lm-eval, which is missing", "pip install 'sirius-llm[eval]'")
    with interrupts.at_once():
        tasks = _load_tasks(plan, choice)
        engine, at_work = _load(plan, choice, profile)
        result = _evaluate(engine, at_work, tasks, wish)
    from sirius_cli.services.bench.quality.reports import render

    reports.deliver(render(result, wish.format), wish.output)
    return _verdict(result, wish.fail_under)


def batch(text: str) -> int | None:
    """How many answers side by side, None for "auto". Raises UsageError for what is no number above 0 either."""
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch cannot be {text!r}", "give auto, or a number of 1 or more")
    return int(text)


def samples(text: str | None) -> dict[str, list[int]] | None:
    """The items of ``--samples``: JSON, or a file of it, as in lm-eval: {"TASK": [0, 3, 5]}.

    Raises:
        UsageError: if it is something else.
    """
    if text is None:
        return None
    try:
        chosen = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--samples cannot be read: {error}", 'give {"TASK": [0, 3, 5]} or a file of it') from error
    if not isinstance(chosen, dict) or not all(_are_places(places) for places in chosen.values()):
        raise UsageError("--samples maps tasks to lists of places from 0", 'give {"TASK": [0, 3, 5]}')
    return chosen


def _are_places(places: object) -> bool:
    return isinstance(places, list) and all(type(place) is int and place >= 0 for place in places)


def _load_tasks(plan: "Plan", choice: "ModelChoice") -> dict[str, Any]:
    if plan.allow_code:
        _tell_protection()
    if choice.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries that fetch data sets are imported
    with diagnostics.status("reading the tasks"):
        from sirius_cli.services.bench.quality import evaluation

        return evaluation.load_tasks(plan)


def _tell_protection() -> None:
    """Say what stands between the programs that a model writes and this machine; without a sandbox none is run."""
    from sirius_cli.services.bench import sandbox

    if problem := sandbox.available():
        raise EnvironmentProblem(f"programs cannot be run here: {problem}", "leave out tasks that run code")
    diagnostics.note(f"programs run behind: {', '.join(sandbox.layers())}")


def _load(plan: "Plan", choice: "ModelChoice", profile: "Profile") -> "tuple[Any, Run]":
    from sirius_cli.services import session
    from sirius_cli.services.bench.quality import evaluation, runs
    from sirius_cli.services.bench.quality import plan as plans
    from sirius_cli.services.model_folder import weights_identity
    from sirius_cli.services.progress import loading

    engine: Any
    with progress.progress_display() as report:
        found = session.find_model(choice, report)
        report(loading(found.name))
        engine = session.load_engine(found, choice, profile, report)
    identity = plan, weights_identity(found.path), engine.loaded.dtype
    id = plans.run_id(*identity)
    return engine, evaluation.Run(id, runs.runs_dir() / id, plan, plans.answers_id(*identity))


def _evaluate(engine: Any, at_work: "Run", tasks: dict[str, Any], wish: Wish) -> "BenchResult":
    from sirius_cli.services.bench.quality import evaluation

    with evaluation.hold(at_work, fresh=wish.fresh), _goes_on(at_work), bench_progress.display() as watch:
        return evaluation.evaluate(at_work, tasks, engine, watch, log_samples=wish.log_samples)


@contextmanager
def _goes_on(at_work: "Run") -> Iterator[None]:
    """Whoever stops a run is told that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        diagnostics.note(f"stopped; what is finished is kept in run {at_work.id}: the same command goes on from there")
        raise


def _verdict(result: "BenchResult", fail_under: float | None) -> ExitCode:
    from sirius_cli.services.bench.quality.reports import shortfalls

    missed = [] if fail_under is None else shortfalls(result, fail_under)
    for line in missed:
        diagnostics.note(line)
    return ExitCode.CHECK_FAILED if missed else ExitCode.OK
