"""``sirius inspect-corrections``: reports on standard output, problems on standard error, else the inspector."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pexpect
import pytest
from correction_streams import WRONG, answer, record

from sirius_cli import main as entry

Run = Callable[..., tuple[int, str, str]]
FORMATS = ["table", "md", "csv", "json", "html", "svg"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def sirius(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = entry.main(["inspect-corrections", *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def trace(tmp_path: Path) -> str:
    return str(record(tmp_path / "run.jsonl"))


def test_without_a_terminal_it_is_a_table(sirius: Run, trace: str) -> None:
    code, out, err = sirius(trace)
    assert (code, err) == (0, "")
    assert "ANSWER  INDEX  DRAFT" in out
    assert "␣160" in out
    for title in ("Figures", "Acceptance by position", "Most frequent", "Token classes", "Advance histogram"):
        assert title in out


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_goes_to_standard_output_or_into_a_file(sirius: Run, trace: str, tmp_path: Path, form: str) -> None:
    code, out, err = sirius(trace, "--format", form)
    assert (code, err) == (0, "")
    file = tmp_path / "report"
    code, nothing, told = sirius(trace, "--format", form, "--output", str(file))
    assert (code, nothing, told) == (0, "", f"wrote {file}\n")
    assert file.read_text() == out
    assert not list(tmp_path.glob(".report*"))
    assert os.stat(file).st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_json_and_csv_and_svg_parse(sirius: Run, trace: str) -> None:
    document = json.loads(sirius(trace, "--format", "json")[1])
    assert (document["schema_version"], len(document["corrections"])) == (1, len(WRONG))
    rows = list(csv.DictReader(io.StringIO(sirius(trace, "--format", "csv")[1])))
    assert [int(row["index"]) for row in rows] == sorted(WRONG)
    ElementTree.fromstring(sirius(trace, "--format", "svg")[1])


def test_filter_sort_and_top(sirius: Run, trace: str) -> None:
    options = ["--filter", "class=number", "--filter", "index<60", "--sort", "-index", "--top", "2"]
    _, out, _ = sirius(trace, "--format", "json", *options)
    assert [c["index"] for c in json.loads(out)["corrections"]] == [22, 4]


def test_against_another_run(sirius: Run, trace: str, tmp_path: Path) -> None:
    other = record(tmp_path / "other.jsonl", answer(wrong={4: " 8"}))
    _, out, _ = sirius(trace, "--against", str(other), "--format", "json")
    (pair,) = json.loads(out)["against"]["requests"]
    assert [c["index"] for c in pair["only_left"]] == sorted(WRONG)[1:]
    for form in ("table", "md", "html"):
        assert "Figures of both" in sirius(trace, "--against", str(other), "--format", form)[1]


def test_a_name_and_the_newest_are_looked_for_at_home(sirius: Run, home: Path) -> None:
    (home / "traces").mkdir(parents=True)
    record(home / "traces" / "monday.jsonl")
    assert json.loads(sirius("monday", "--format", "json")[1])["runs"][0]["run"] == "monday"
    assert json.loads(sirius("--format", "json")[1])["runs"][0]["run"] == "monday"


def test_a_broken_trace_says_where_and_shows_the_rest(sirius: Run, trace: str) -> None:
    path = Path(trace)
    path.write_bytes(path.read_bytes()[:-2000])
    code, out, err = sirius(trace)
    assert code == 0
    assert err.startswith(f"note: {trace}:")
    assert "cut off" in err
    assert "␣8" in out


def _newer(path: Path) -> None:
    header = json.loads(path.read_text().splitlines()[0]) | {"schema_version": 2}
    path.write_text(json.dumps(header) + "\n")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "there is no trace"),
        (lambda path: path.write_text(""), "is not a trace"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"), "is not a trace"),
        (lambda path: path.write_text('{"event": "finished"}\n'), "is not a trace"),
        (_newer, "has schema_version 2, this program reads 1"),
        (lambda path: (path.unlink(), path.mkdir()), "holds no trace"),
    ],
    ids=["missing", "empty", "binary", "no header", "newer", "empty folder"],
)
def test_what_cannot_be_read_is_one_line(sirius: Run, trace: str, spoil: Callable[[Path], object], told: str) -> None:
    spoil(Path(trace))
    code, out, err = sirius(trace)
    assert (code, out) == (4, "")
    assert told in err
    assert err.count("\n") == 1


def test_no_trace_at_all_names_the_option(sirius: Run) -> None:
    code, _, err = sirius()
    assert code == 2
    assert "--trace FILE" in err


def test_a_trace_without_answers_is_a_note(sirius: Run, tmp_path: Path) -> None:
    empty = record(tmp_path / "empty.jsonl", [])
    for form in FORMATS:
        code, out, err = sirius(str(empty), "--format", form)
        assert (code, err) == (0, "note: the trace empty holds no answer\n")
        assert out


@pytest.mark.parametrize(
    "options", [["--filter", "size>3"], ["--sort", "size"], ["--filter", "text~("], ["--top", "0"]]
)
def test_bad_options_are_told_before_anything_is_read(sirius: Run, options: list[str]) -> None:
    code, out, err = sirius("missing.jsonl", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_a_place_that_cannot_be_written_leaves_nothing(sirius: Run, trace: str, tmp_path: Path) -> None:
    code, _, err = sirius(trace, "--format", "html", "--output", str(tmp_path / "missing" / "report.html"))
    assert code == 2
    assert "cannot write" in err
    (tmp_path / "folder").mkdir()
    code, _, err = sirius(trace, "--output", str(tmp_path / "folder"))
    assert code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "run.jsonl"]


def test_a_trace_is_not_overwritten_by_what_is_told_of_it(sirius: Run, trace: str, tmp_path: Path) -> None:
    before = Path(trace).read_bytes()
    for target in (trace, str(tmp_path)):
        code, _, err = sirius(target, "--output", trace)
        assert code == 2
        assert "is read for what would be written to it" in err
    assert Path(trace).read_bytes() == before
    assert sirius("")[0] == 2


def test_escapes_in_names_reach_no_terminal(sirius: Run, tmp_path: Path) -> None:
    evil = record(tmp_path / "a\x1b[2Jb.jsonl")
    evil.write_bytes(evil.read_bytes()[:-100])
    for form in ("table", "md", "html", "svg"):
        _, out, err = sirius(str(evil), "--format", form)
        assert "\x1b" not in out + err


def terminal(home: Path, *arguments: str, term: str = "xterm-256color") -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable,
        ["-m", "sirius_cli", "inspect-corrections", *arguments],
        env={**os.environ, "TERM": term, "SIRIUS_HOME": str(home), "COLUMNS": "100", "LINES": "30"},
        encoding="utf-8",
        timeout=30,
        dimensions=(30, 100),
    )


def test_on_a_terminal_the_inspector_opens_and_q_leaves(home: Path, trace: str) -> None:
    child = terminal(home, trace)
    child.expect("leaves")
    child.send("q")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


def test_with_standard_error_elsewhere_it_is_the_table(home: Path, trace: str, tmp_path: Path) -> None:
    """The inspector would be drawn there."""
    command = f"{sys.executable} -m sirius_cli inspect-corrections {trace} 2>{tmp_path / 'errors'}"
    child = pexpect.spawn("sh", ["-c", command], env={**os.environ, "SIRIUS_HOME": str(home)}, encoding="utf-8")
    assert "ANSWER  INDEX" in child.read()
    assert (tmp_path / "errors").read_text() == ""


def test_a_dumb_terminal_gets_the_table(home: Path, trace: str) -> None:
    child = terminal(home, trace, term="dumb")
    assert "ANSWER  INDEX" in child.read()
    child.wait()
    assert child.exitstatus == 0
