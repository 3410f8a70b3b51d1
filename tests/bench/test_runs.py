"""Runs on disk: what is listed, found, read, written and removed."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_results import result
from filelock import FileLock

from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services.bench.quality import runs
from sirius_cli.services.bench.quality.runs import Manifest, RunInfo

MANIFEST = Manifest(
    "gsm8k-3f9a", "2026-03-14T09:26:53+00:00", "a/model", ("gsm8k",), ("dense", "sirius"), {"seed": "1"}
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep(name: str = "gsm8k-3f9a", *, created: str = MANIFEST.created, results: bool = True) -> Path:
    """A run of this name on disk, with one answer."""
    folder = runs.runs_dir() / name
    runs.write_manifest(folder, replace(MANIFEST, id=name, created=created))
    (folder / "samples-dense-0.jsonl").write_text("{}\n")
    if results:
        runs.save_result(folder, result(run=name))
    return folder


def only() -> RunInfo:
    (found,) = runs.list_runs()
    return found


def test_without_any_run_the_list_is_empty() -> None:
    assert runs.list_runs() == []


def test_a_run_is_listed_with_what_it_was_asked_for() -> None:
    folder = keep()
    found = only()
    assert (found.id, found.folder, found.state, found.problem) == ("gsm8k-3f9a", folder, "complete", "")
    assert found.manifest == MANIFEST
    assert found.items == 400
    assert found.size == sum(path.stat().st_size for path in folder.iterdir())


def test_the_newest_comes_first_whatever_its_time_zone() -> None:
    keep("noon", created="2026-03-14T12:00:00+00:00")
    keep("evening", created="2026-03-14T12:30:00-07:00")
    keep("morning", created="2026-03-14T12:30:00+09:00")
    assert [run.id for run in runs.list_runs()] == ["evening", "noon", "morning"]


def test_a_run_that_has_not_reported_is_unfinished() -> None:
    keep(results=False)
    assert (only().state, only().items) == ("unfinished", None)
    runs.save_result(only().folder, result(complete=False))
    assert (only().state, only().items) == ("unfinished", 400)


def test_a_folder_that_holds_only_its_lock_is_no_run_yet() -> None:
    folder = runs.runs_dir() / "begun"
    folder.mkdir(parents=True)
    (folder / runs.LOCK).touch()
    assert runs.list_runs() == []


def _rewrite(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return apply


BROKEN = {
    "no manifest": (lambda folder: (folder / "run.json").unlink(), "cannot read"),
    "cut off": (lambda folder: os.truncate(folder / "run.json", 30), "run.json is not JSON"),
    "binary": (lambda folder: (folder / "run.json").write_bytes(b"\x89PNG\xff"), "run.json is not JSON"),
    "deep": (lambda folder: (folder / "run.json").write_text("[" * 100_000), "run.json is not JSON"),
    "no object": (lambda folder: (folder / "run.json").write_text("[]"), "run.json is broken"),
    "newer": (_rewrite("run.json", lambda data: data.update(schema_version=2)), "has schema_version 2"),
    "lacking": (_rewrite("run.json", lambda data: data.pop("tasks")), "run.json is broken at tasks"),
    "a folder": (lambda folder: ((folder / "run.json").unlink(), (folder / "run.json").mkdir()), "cannot read"),
    "results cut off": (lambda folder: os.truncate(folder / "results.json", 900), "results.json is not JSON"),
    "newer results": (_rewrite("results.json", lambda data: data.update(schema_version=9)), "has schema_version 9"),
    "odd results": (_rewrite("results.json", lambda data: data.update(tasks=3)), "results.json is broken at tasks"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_run_is_listed_with_the_reason_and_hides_no_other(case: str) -> None:
    spoil, told = BROKEN[case]
    spoil(keep("bad"))
    keep("good")
    found = {run.id: run for run in runs.list_runs()}
    assert (found["good"].state, found["bad"].state) == ("complete", "broken")
    assert told in found["bad"].problem
    assert "\n" not in found["bad"].problem
    assert runs.remove_run(found["bad"]) > 0


def test_what_is_no_folder_is_passed_over() -> None:
    keep()
    (runs.runs_dir() / "notes.txt").write_text("x")
    (runs.runs_dir() / ".removed-old").mkdir()
    assert [run.id for run in runs.list_runs()] == ["gsm8k-3f9a"]


def test_a_run_is_found_by_its_id_a_beginning_or_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = keep()
    keep("gsm8k-3f")
    assert runs.find_run("gsm8k-3f").id == "gsm8k-3f"
    assert runs.find_run("gsm8k-3f9").folder == folder
    assert runs.find_run(str(folder)).folder == folder
    folder.rename(tmp_path / "given away")
    monkeypatch.chdir(tmp_path)
    assert runs.load_result(runs.find_run("given away")).tasks == result().tasks


def test_an_ambiguous_beginning_names_what_it_could_be() -> None:
    keep("gsm8k-1")
    keep("gsm8k-2")
    with pytest.raises(UsageError, match="several runs; give more of one of gsm8k-1, gsm8k-2"):
        runs.find_run("gsm")


def test_an_unknown_run_names_what_comes_close() -> None:
    keep()
    with pytest.raises(UsageError, match=r"there is no run 'gms8k-3f9a' in .*; did you mean gsm8k-3f9a\?"):
        runs.find_run("gms8k-3f9a")
    for spec in ("", "entirely else", "x" * 5000):
        with pytest.raises(UsageError, match="see `sirius runs list`"):
            runs.find_run(spec)


def test_a_result_reads_back_from_disk() -> None:
    keep()
    assert runs.load_result(only()) == result(run="gsm8k-3f9a")


def test_a_run_without_results_says_how_to_get_some() -> None:
    keep(results=False)
    with pytest.raises(ModelError, match="has no results yet; give its command again"):
        runs.load_result(only())


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no run"):
        runs.load_result(runs.find_run(str(tmp_path)))


def test_saving_is_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = keep()
    before = (folder / "results.json").read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "replace", refuse)
        with pytest.raises(EnvironmentProblem, match="is full"):
            runs.save_result(folder, result(complete=False))
    assert (folder / "results.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["results.json", "run.json", "samples-dense-0.jsonl"]


def test_removing_frees_what_it_says() -> None:
    folder = keep()
    keep("other")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert runs.remove_run(runs.find_run("gsm8k-3f9a")) == size
    assert [path.name for path in runs.runs_dir().iterdir()] == ["other"]


def test_a_run_at_work_is_not_removed() -> None:
    folder = keep()
    with (
        FileLock(folder / runs.LOCK).acquire(timeout=0),
        pytest.raises(EnvironmentProblem, match="at work on the run gsm8k-3f9a"),
    ):
        runs.remove_run(only())
    assert only().state == "complete"
    runs.remove_run(only())


def test_removing_sweeps_what_an_interrupted_removal_left() -> None:
    keep()
    left = runs.runs_dir() / ".removed-before"
    left.mkdir()
    (left / "samples.jsonl").write_text("x")
    runs.remove_run(only())
    assert list(runs.runs_dir().iterdir()) == []


def test_only_kept_runs_are_removed(tmp_path: Path) -> None:
    keep().rename(tmp_path / "mine")
    with pytest.raises(UsageError, match=r"is not kept in .*; delete it by hand"):
        runs.remove_run(runs.find_run(str(tmp_path / "mine")))
    (runs.runs_dir() / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="is not kept in"):
        runs.remove_run(runs.find_run("link"))
    assert (tmp_path / "mine" / "run.json").exists()


def test_a_home_that_is_no_folder_is_one_line(home: Path) -> None:
    home.write_text("x")
    with pytest.raises(EnvironmentProblem, match="cannot read"):
        runs.list_runs()
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        runs.write_manifest(runs.runs_dir() / "a", MANIFEST)
