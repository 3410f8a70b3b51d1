"""Which trace is meant, and what can be read of it."""

import json
import os
from pathlib import Path

import pytest
from correction_streams import LOADED, WRONG, record

from sirius_cli.core.trace import event_to_json
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.inspection import reading


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "traces").mkdir(parents=True)
    return tmp_path / "home"


def test_a_path_comes_before_a_name(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = record(home / "traces" / "one.jsonl")
    assert reading.find("one") == named
    assert reading.find("one.jsonl") == named
    record(tmp_path / "one.jsonl")
    assert reading.find("one.jsonl") == Path("one.jsonl")


def test_without_a_name_the_newest_is_taken(home: Path) -> None:
    old, new = record(home / "traces" / "b.jsonl"), record(home / "traces" / "a.jsonl")
    os.utime(old, (1, 1))
    assert reading.find(None) == new


def test_no_trace_at_all_names_the_option(home: Path) -> None:
    with pytest.raises(UsageError, match="--trace FILE"):
        reading.find(None)


@pytest.mark.parametrize("name", ["missing.jsonl", "a" * 5000, "nul\0byte"])
def test_no_such_trace(home: Path, name: str) -> None:
    with pytest.raises(ModelError, match="there is no trace"):
        reading.find(name)


def test_a_cut_off_trace_gives_what_is_sound(tmp_path: Path) -> None:
    path = record(tmp_path / "run.jsonl")
    path.write_bytes(path.read_bytes()[:-2000])
    found = reading.read(path)
    assert 0 < len(found.corrections) < len(WRONG)
    (problem,) = found.problems
    assert f"{path}:" in problem
    assert "cut off" in problem
    assert found.requests[0].finish_reason is None


def test_a_folder_gives_its_traces_and_names_the_others(tmp_path: Path) -> None:
    record(tmp_path / "a.jsonl")
    record(tmp_path / "b.jsonl")
    (tmp_path / "c.jsonl").write_text("no trace\n")
    newer = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0]) | {"schema_version": 9}
    (tmp_path / "d.jsonl").write_text(json.dumps(newer) + "\n")
    (tmp_path / "e.txt").write_text("something else")
    found = reading.read(tmp_path)
    assert [run.name for run in found.runs] == ["a", "b"]
    assert len(found.problems) == 2
    assert "c.jsonl is not a trace" in found.problems[0]
    assert "schema_version 9" in found.problems[1]


@pytest.mark.parametrize("content", [None, "", "no trace\n"])
def test_a_folder_without_a_readable_trace(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ModelError, match=str(tmp_path)):
        reading.read(tmp_path)


def test_a_trace_without_an_answer_says_so(tmp_path: Path) -> None:
    path = record(tmp_path / "run.jsonl", [])
    assert path.read_text().splitlines()[1] == json.dumps(event_to_json(LOADED))
    found = reading.read(path)
    assert found.requests == ()
    assert found.problems == ("the trace run holds no answer",)
