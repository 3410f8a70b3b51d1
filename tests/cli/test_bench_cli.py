"""``sirius bench --task`` from the outside: reports, resuming, bad input. The engine is a fake one."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sirius_cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from bench_engine import FakeEngine

from sirius_cli.services import session

pytest.importorskip("lm_eval")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake, folder = FakeEngine(), tmp_path / "model"
    folder.mkdir()
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "find_model", lambda choice, progress: SimpleNamespace(name="fake", path=folder))
    monkeypatch.setattr(session, "load_engine", lambda found, choice, profile, progress: fake)
    rows = [{"question": f"What is item {number}?", "answer": f"#### {number}"} for number in range(6)]
    Path("items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return fake


TASK = ["bench", "--task", "gsm8k", "--data", "items.jsonl", "-f", "1"]


def report(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*TASK, "--json", *arguments]) == code
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capsys.readouterr()
    assert main(["bench", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    return line


def test_the_report_is_data_on_standard_output(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    document = report(capsys)
    assert document["schema_version"] == 1
    (task,) = document["tasks"]
    assert [one["method"] for one in task["methods"]] == ["dense", "draft", "sirius"]
    corrected = task["methods"][2]
    assert corrected["aal"] > 3
    assert corrected["difference"]["low"] <= corrected["difference"]["value"] <= corrected["difference"]["high"]
    made = engine.finished[0]
    assert report(capsys)["run"] == document["run"]
    assert engine.finished[0] == made


def test_flags_change_the_profile_and_the_run(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    usual = report(capsys)
    changed = report(capsys, "--keep", "0.3")
    assert changed["run"] != usual["run"]
    assert changed["tasks"][0]["methods"][2]["profile"]["draft"]["keep"] == 0.3


def test_a_flag_without_effect_is_refused(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--keep has no effect in the profile exact" in refused(
        capsys, *TASK[1:], "--profile", "exact", "--keep", "0.3"
    )
    assert engine.finished[0] == 0


def test_the_report_goes_into_a_file(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TASK, "--format", "html", "--output", "report.html", "--compare", "dense,exact"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "wrote report.html" in captured.err
    assert "gsm8k · exact: 6 of 6" in captured.err
    assert "<svg" in Path("report.html").read_text()


def test_a_score_that_is_too_low_fails(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TASK, "--fail-under", "0.9"]) == 5
    captured = capsys.readouterr()
    assert "sirius scores 0, below 0.9" in captured.err
    assert "SCORE" in captured.out


def test_draft_only_runs_the_draft_alone(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    (only,) = report(capsys, "--draft-only")["tasks"][0]["methods"]
    assert only["method"] == "draft"
    assert only["profile"]["correction"]["enabled"] is False


def test_stopping_says_that_nothing_is_lost(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(finished: int) -> None:
        if finished == 4:
            raise KeyboardInterrupt

    engine.before_finish = stop
    assert main([*TASK, "--batch", "2"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    engine.before_finish = None
    report(capsys, "--batch", "2")
    assert engine.finished[0] == 18


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "gsm9k", "--data", "items.jsonl"], "gsm9k"),
        (["--task", ","], "names no task"),
        (["--task", "gsm8k", "--batch", "many"], "--batch cannot be 'many'"),
        (["--task", "gsm8k", "--limit", "0"], "limit cannot be 0"),
        (["--task", "gsm8k", "--format", "pdf"], "pdf"),
        (["--task", "gsm8k", "--samples", "nothing.json"], "--samples cannot be read"),
        (["--task", "gsm8k", "--samples", '{"gsm8k": [-1]}'], "lists of places"),
        (["--task", "gsm8k", "--compare", "dense,nope"], "no profile named 'nope'"),
        (["--task", "humaneval", "--data", "items.jsonl"], "--allow-code-execution"),
        (["--task", "gsm8k,aqua", "--data", "items.jsonl"], "--data"),
        (["--task", "gsm8k", "speed"], "give one of them"),
        (["--limit", "3"], "--limit is for --task, which is missing"),
        (["--json", "-m", "x", "tasks"], "--model in front of tasks is for --task; put it behind tasks"),
        ([*TASK[1:], "--limit", "9" * 30], f"limit cannot be {'9' * 30}"),
        ([*TASK[1:], "--samples", '{"other": [0]}'], "--samples names 'other', which is no task of this run"),
        ([*TASK[1:], "--samples", '{"gsm8k": []}'], "--samples names no item of gsm8k"),
        ([*TASK[1:], "--samples", "{}"], "--samples names no item of gsm8k"),
        ([*TASK[1:], "--samples", '{"gsm8k": [0, 6]}'], "gsm8k has 6 items, and no place 6"),
        ([*TASK[1:], "--samples", '{"gsm8k": [true]}'], "lists of places"),
        ([*TASK[1:], "--fail-under", "nan"], "--fail-under cannot be nan"),
        ([*TASK[1:], "--compare", "dense", "--fail-under", "0.5"], "--fail-under judges corrected methods"),
        ([*TASK[1:], "-o", "nowhere/report.md"], "cannot write nowhere/report.md"),
        ([*TASK[1:], "-o", "items.jsonl"], "items.jsonl is read for what would be written to it"),
        ([*TASK[1:], "--log-samples", "items.jsonl"], "items.jsonl is no folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], words: str, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, *arguments)
    assert engine.finished[0] == 0


def test_data_that_is_broken_or_missing_is_named(engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.jsonl").write_text('{"question": "1", "answer": "#### 1"}\n{"question"')
    assert "broken.jsonl:2" in refused(capsys, "--task", "gsm8k", "--data", "broken.jsonl", code=4)
    assert "nothing.jsonl" in refused(capsys, "--task", "gsm8k", "--data", "nothing.jsonl", code=4)
    assert "items.jsonl:1" in refused(capsys, "--task", "aqua", "--data", "items.jsonl", code=4)


def test_without_lm_eval_the_way_to_it_is_named(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sirius_cli.cli import bench_quality

    monkeypatch.setattr(bench_quality, "find_spec", lambda name: None)
    assert "pip install 'sirius-llm[eval]'" in refused(capsys, "--task", "gsm8k", code=3)


def test_without_a_task_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 0
    assert "--task" in capsys.readouterr().out
    assert main(["bench", "tasks"]) == 0
    assert "gsm8k_cot" in capsys.readouterr().out
