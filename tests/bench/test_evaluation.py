"""Runs of a fake engine on a real task: figures, resuming, killing, and the adapter that lm-eval sees."""

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bench_engine import FakeEngine

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services.bench.quality import runs
from sirius_cli.services.bench.quality.evaluation import Run, evaluate, hold, load_tasks
from sirius_cli.services.bench.quality.live import Standing
from sirius_cli.services.bench.quality.methods import methods
from sirius_cli.services.bench.quality.plan import Plan
from sirius_cli.services.bench.quality.reports import render
from sirius_cli.services.bench.quality.results import BenchResult, MethodResult

pytest.importorskip("lm_eval")
SIRIUS = resolve_profile("sirius", {}, {}).profile
ITEMS = 24


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Problems whose answer is what the fake engine writes for some of them."""
    data = tmp_path / "items.jsonl"
    rows = [{"question": f"What is item {number}?", "answer": "#### 7"} for number in range(ITEMS)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Plan(("gsm8k",), methods(None, SIRIUS), data=data, num_fewshot=1, batch=4)


def run_of(plan: Plan, tmp_path: Path, name: str = "run") -> Run:
    return Run(name, tmp_path / "runs" / name, plan)


def evaluated(run: Run, engine: FakeEngine | None = None, **options: object) -> tuple[BenchResult, list[Standing]]:
    heard: list[Standing] = []
    with hold(run, fresh=False):
        result = evaluate(run, load_tasks(run.plan), engine or FakeEngine(), heard.append, **options)
    return result, heard


def method(result: BenchResult, name: str) -> MethodResult:
    return next(one for one in result.tasks[0].methods if one.method == name)


def timeless(result: BenchResult) -> BenchResult:
    tasks = tuple(
        replace(task, methods=tuple(replace(one, seconds=0.0) for one in task.methods)) for task in result.tasks
    )
    return replace(result, created="", tasks=tasks)


def test_a_run_answers_every_item_by_every_method_and_reports(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine()
    result, heard = evaluated(run_of(plan, tmp_path), engine)
    (task,) = result.tasks
    assert (task.task, task.metric, task.fewshot) == ("gsm8k", "exact_match,flexible-extract", 1)
    assert [one.method for one in task.methods] == ["dense", "draft", "sirius"]
    assert {one.items for one in task.methods} == {ITEMS}
    assert all(prefix > 100 for _, prefix in engine.calls)  # the worked example is read once
    assert [heard[-1].done, heard[-1].total, heard[-1].method] == [ITEMS, ITEMS, "sirius"]
    assert result.versions["lm-eval"]
    assert runs.load_result(runs.find_run(str(run_of(plan, tmp_path).folder))) == result


def test_the_figures_are_those_of_the_answers(plan: Plan, tmp_path: Path) -> None:
    result, _ = evaluated(run_of(plan, tmp_path))
    dense, draft, sirius = (method(result, name) for name in ("dense", "draft", "sirius"))
    assert sirius.agreement is not None
    assert (sirius.agreement.compared, sirius.agreement.same) == (ITEMS, ITEMS)
    assert sirius.difference is not None
    assert (sirius.difference.value, sirius.difference.low, sirius.difference.high) == (0.0, 0.0, 0.0)
    assert draft.agreement is not None
    assert draft.agreement.same < ITEMS
    assert dense.difference is dense.agreement is dense.aal is None
    assert dense.effective_density == 1.0
    assert sirius.aal is not None
    assert 3.0 < sirius.aal <= 4.0
    assert dict(sirius.advances)[4] > ITEMS
    assert sirius.effective_read is not None
    assert sirius.effective_density is not None
    assert sirius.effective_read < sirius.effective_density
    assert draft.aal is None
    assert dense.lengths == sirius.lengths
    assert len(dense.lengths) == ITEMS


def test_the_same_command_answers_nothing_twice_and_goes_on_with_more_items(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine()
    few, _ = evaluated(run_of(replace(plan, limit=5), tmp_path), engine)
    made = engine.finished[0]
    assert made == 15
    again, heard = evaluated(run_of(replace(plan, limit=5), tmp_path), engine)
    assert engine.finished[0] == made
    assert heard[-1].known == 5
    assert timeless(again) == timeless(few)
    evaluated(run_of(plan, tmp_path), engine)
    assert engine.finished[0] == 3 * ITEMS


def test_another_comparison_takes_over_the_answers_of_a_method_and_fresh_does_not(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path))
    engine, few = FakeEngine(), replace(plan, limit=4)
    first, _ = evaluated(replace(run_of(few, tmp_path), answers="same"), engine)
    made = engine.finished[0]
    more = replace(few, methods=methods("dense,draft,sirius:window=8,sirius:window=16", SIRIUS))
    second, _ = evaluated(replace(run_of(more, tmp_path, "more"), answers="same"), engine)
    assert engine.finished[0] == made + 4
    assert method(second, "draft") == method(first, "draft")
    renamed = method(second, "sirius:window=16")
    assert replace(renamed, method="sirius") == replace(method(first, "sirius"), recovery=renamed.recovery)
    other = replace(run_of(few, tmp_path, "other"), answers="other")
    evaluated(other, engine)
    assert engine.finished[0] == made + 4 + 12
    fresh = replace(run_of(few, tmp_path, "fresh"), answers="same")
    with hold(fresh, fresh=True):
        evaluate(fresh, load_tasks(fresh.plan), engine, lambda standing: None)
    assert engine.finished[0] == made + 4 + 12 + 12


def test_fresh_answers_everything_again(plan: Plan, tmp_path: Path) -> None:
    engine, run = FakeEngine(), run_of(replace(plan, limit=3), tmp_path)
    evaluated(run, engine)
    with hold(run, fresh=True):
        evaluate(run, load_tasks(run.plan), engine, lambda standing: None)
    assert engine.finished[0] == 18


def test_chosen_items_are_those_that_were_named(plan: Plan, tmp_path: Path) -> None:
    result, _ = evaluated(run_of(replace(plan, samples={"gsm8k": [3, 17]}), tmp_path), log_samples=tmp_path / "log")
    assert method(result, "dense").items == 2
    rows = [json.loads(line) for line in (tmp_path / "log" / "gsm8k-dense.jsonl").read_text().splitlines()]
    assert {row["doc"]["question"] for row in rows} == {"What is item 3?", "What is item 17?"}


def test_prompts_that_lost_their_beginning_are_counted_and_told(plan: Plan, tmp_path: Path) -> None:
    result, _ = evaluated(run_of(replace(plan, limit=3), tmp_path), FakeEngine(context=300))
    assert method(result, "sirius").truncated == 3
    assert "gsm8k: 3 prompts did not fit the context and lost their beginning" in render(result, "table")


def test_two_processes_do_not_work_on_one_run(plan: Plan, tmp_path: Path) -> None:
    run = run_of(plan, tmp_path)
    with (
        hold(run, fresh=False),
        pytest.raises(EnvironmentProblem, match="another sirius is at work"),
        hold(run, fresh=False),
    ):
        pass
    with hold(run, fresh=False):
        pass


def test_a_folder_that_cannot_be_made_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with (
        pytest.raises(EnvironmentProblem, match="cannot make the run's folder"),
        hold(run_of(plan, tmp_path), fresh=False),
    ):
        pass


def test_an_engine_that_fails_leaves_what_was_finished(plan: Plan, tmp_path: Path) -> None:
    def fail(finished: int) -> None:
        if finished == 9:
            raise UsageError("broken")

    with pytest.raises(UsageError, match="broken"):
        evaluated(run_of(plan, tmp_path), FakeEngine(before_finish=fail))
    engine = FakeEngine()
    result, _ = evaluated(run_of(plan, tmp_path), engine)
    assert engine.finished[0] == 3 * ITEMS - 9
    undisturbed, _ = evaluated(run_of(plan, tmp_path, "run2"))
    assert timeless(replace(result, run="")) == timeless(replace(undisturbed, run=""))


def _work(run: Run, until: int) -> None:
    """In a process of its own: answer, and be killed before the answer number ``until`` is finished."""

    def kill(finished: int) -> None:
        if finished >= until:
            os.kill(os.getpid(), signal.SIGKILL)

    evaluated(run, FakeEngine(before_finish=kill))
    os._exit(0)


def test_a_run_that_is_killed_twenty_times_ends_as_an_undisturbed_one(plan: Plan, tmp_path: Path) -> None:
    generator, processes = random.Random(3), multiprocessing.get_context("fork")
    run, torn = run_of(plan, tmp_path), 0
    for _ in range(20):
        process = processes.Process(target=_work, args=(run, generator.randint(1, 5)))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        torn += _tear(run, generator)
    assert torn > 3
    engine = FakeEngine()
    result, _ = evaluated(run, engine)
    assert 0 < engine.finished[0] < 3 * ITEMS
    undisturbed, _ = evaluated(run_of(plan, tmp_path, "undisturbed"))
    assert timeless(replace(result, run="")) == timeless(replace(undisturbed, run=""))
    for file in run.folder.glob("samples-*"):
        keys = [json.loads(line)["key"] for line in file.read_text().splitlines()]
        assert len(set(keys)) == len(keys) == ITEMS


def _tear(run: Run, generator: random.Random) -> int:
    """A process may also die in the middle of a line: leave half of the last one, sometimes."""
    files = sorted(run.folder.glob("samples-*"), key=lambda file: file.stat().st_mtime_ns)
    if generator.random() < 0.5:
        return 0
    whole = files[-1].read_bytes()
    files[-1].write_bytes(whole[: len(whole) - generator.randint(1, 60)])
    return 1


def test_given_texts_are_scored_once_a_context(tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance

    from sirius_cli.services.bench.quality.adapter import SiriusLM
    from sirius_cli.services.bench.quality.samples import Sample, SampleStore

    class Ear:
        heard: list[bool] = []  # noqa: RUF012 - one test, one list

        def expect(self, requests: int) -> None: ...

        def hear(self, request: Instance, sample: Sample, *, known: bool) -> None:
            self.heard.append(known)

    engine, ear = FakeEngine(), Ear()
    lm = SiriusLM(engine, SampleStore(tmp_path / "s.jsonl"), batch=2, listener=ear)

    def ask(*pairs: tuple[str, str]) -> Sequence[tuple[float, bool]]:
        return lm.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in pairs])

    questions = [("Q: one A:", " yes"), ("Q: one A:", " no"), ("Q: two A:", " yes"), ("", "x")]
    assert ask(*questions) == [(-4.0, False), (-3.0, False), (-4.0, False), (-1.0, True)]
    assert engine.calls == [(2, 0), (1, 0), (1, 0)]
    assert ask(*questions)[0] == (-4.0, False)
    assert len(engine.calls) == 3
    assert ear.heard == [False] * 4 + [True] * 4
    assert lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, ("some text",), 0)]) == [-9.0]


def test_sampled_answers_of_one_prompt_differ_and_are_drawn_alike_every_time() -> None:
    from sirius_cli.services.bench.quality import adapter

    assert adapter._seed(1, "a") == adapter._seed(1, "a") != adapter._seed(1, "a-1")
    assert adapter._seed(1, "a") != adapter._seed(2, "a")


def test_names_of_methods_make_sound_file_names() -> None:
    assert runs.slug("sirius:keep=0.4") == "sirius-keep-0-4"
    assert runs.slug("../x") == "---x"
