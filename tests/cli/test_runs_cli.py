"""``sirius runs``, through the entry and as its Typer application."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench_results import result, unlike
from filelock import FileLock
from typer.testing import CliRunner

from sirius_cli import main as entry
from sirius_cli.cli.runs import app
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.quality import runs
from sirius_cli.services.bench.quality.results import BenchResult

Run = Callable[..., tuple[int, str, str]]
FORMS = ["table", "md", "csv", "json", "html"]
A, B = "gsm8k-3f9a27c1d0", "gsm8k-77b0e2aa14"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def sirius(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = entry.main(["runs", *arguments])
        return code, *capsys.readouterr()

    return run


def keep(
    found: BenchResult, *, model: str = "a/model", results: bool = True, methods: tuple[str, ...] = ("dense", "sirius")
) -> Path:
    folder = runs.runs_dir() / found.run
    tasks = tuple(task.task for task in found.tasks)
    runs.write_manifest(folder, runs.Manifest(found.run, found.created, model, tasks, methods, {}))
    if results:
        runs.save_result(folder, found)
    return folder


@pytest.fixture
def both() -> None:
    keep(result())
    keep(unlike())


def test_list_has_a_line_for_each_run(sirius: Run) -> None:
    keep(result(created="2026-03-15T00:00:00+00:00"))
    keep(result(run="begun"), results=False)
    (runs.runs_dir() / "bad").mkdir()
    (runs.runs_dir() / "bad" / "run.json").write_text("{")
    code, out, err = sirius("list")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["RUN", "CREATED", "MODEL", "TASKS", "METHODS", "ITEMS", "STATE", "SIZE"]
    by_name = {line.split()[0]: line for line in lines[1:]}
    assert by_name[A].split()[1:-2] == [
        "2026-03-15T00:00:00+00:00", "a/model", "gsm8k,", "arc_easy", "dense,", "sirius", "400", "complete",
    ]  # fmt: skip
    assert by_name[A].endswith(" kB")
    assert by_name["begun"].split()[-4:-2] == ["-", "unfinished"]
    assert by_name["bad"].split() == ["bad", "-", "-", "-", "-", "-", "broken", "0", "kB"]
    assert err == f"note: {runs.runs_dir() / 'bad' / 'run.json'} is not JSON\n"


def test_list_names_the_first_of_many_methods(sirius: Run) -> None:
    keep(result(), methods=("dense", "draft", "sirius"))
    keep(unlike(), methods=("dense", "draft", "sirius", "exact", "turbo"))
    lines = sirius("list")[1].splitlines()
    by_name = {line.split()[0]: line for line in lines[1:]}
    assert "  dense, draft, sirius  " in by_name[A]
    assert "  dense, draft, 3 more  " in by_name[B]


def test_list_as_json(sirius: Run, both: None) -> None:
    code, out, err = sirius("list", "--json")
    document = json.loads(out)
    assert (code, err, document["schema_version"]) == (0, "", 1)
    assert {run["id"]: run["items"] for run in document["runs"]} == {A: 400, B: 400}
    first = document["runs"][0]
    assert (first["state"], first["problem"], first["tasks"]) == ("complete", None, ["gsm8k", "arc_easy"])
    assert first["size_bytes"] > 1000
    assert json.loads(sirius("list", "--json")[1]) == document


def test_an_empty_list_is_a_header(sirius: Run) -> None:
    assert sirius("list") == (0, "RUN  CREATED  MODEL  TASKS  METHODS  ITEMS  STATE  SIZE\n", "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", [["show", A], ["compare", A, B]], ids=lambda command: command[0])
def test_every_form_goes_to_standard_output_or_into_a_file(
    sirius: Run, both: None, tmp_path: Path, command: list[str], form: str
) -> None:
    code, out, err = sirius(*command, "--format", form)
    assert (code, err) == (0, "")
    file = tmp_path / "report"
    assert sirius(*command, "--format", form, "--output", str(file)) == (0, "", f"wrote {file}\n")
    assert file.read_text() == out
    assert not list(tmp_path.glob(".report*"))


def test_show_is_a_table_unless_told_otherwise(sirius: Run, both: None) -> None:
    assert sirius("show", A) == sirius("show", A, "--format", "table")
    assert sirius("show", A)[1].startswith("gsm8k: exact_match")
    document = json.loads(sirius("show", A[:-3], "--json")[1])
    assert (document["run"], document["tasks"][0]["methods"][0]["method"]) == (A, "dense")
    assert sirius("show", A, "--json") == sirius("show", A, "--format", "json")


def test_compare_shows_both_side_by_side(sirius: Run, both: None) -> None:
    _, out, _ = sirius("compare", A, B)
    assert "METHOD  SCORE A  SCORE B  B - A" in out
    assert "unpaired" in out
    assert re.search(r"^sirius: draft.keep +0.5 +0.6$", out, flags=re.MULTILINE)
    assert json.loads(sirius("compare", A, B, "--json")[1])["methods"][1]["method"] == "sirius"
    rows = list(csv.DictReader(io.StringIO(sirius("compare", A, B, "--format", "csv")[1])))
    assert len(rows) == 4


def test_json_and_another_form_contradict_each_other(sirius: Run, both: None) -> None:
    code, out, err = sirius("show", A, "--json", "--format", "html")
    assert (code, out) == (2, "")
    assert err == "error: --json and --format html ask for two forms; give one of them\n"


def test_a_form_that_is_asked_for_beats_the_variable(sirius: Run, both: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRIUS_JSON", "1")
    assert json.loads(sirius("show", A)[1])["run"] == A
    assert sirius("show", A, "--format", "csv")[1].startswith('"run","created"')


def test_a_run_without_results_cannot_be_shown(sirius: Run) -> None:
    keep(result(), results=False)
    code, out, err = sirius("show", A)
    assert (code, out) == (4, "")
    assert "has no results yet" in err


@pytest.mark.parametrize("command", [["show", "x"], ["compare", "x", "y"], ["rm", "x"], ["show", "gsm8k"]])
def test_an_unknown_or_ambiguous_run_is_a_usage_error(sirius: Run, both: None, command: list[str]) -> None:
    code, out, err = sirius(*command)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_rm_says_what_it_removed(sirius: Run, both: None) -> None:
    code, out, err = sirius("rm", A[:8], B, B)
    assert (code, out) == (0, "")
    assert [line.split(",")[0] for line in err.splitlines()] == [f"removed {A}", f"removed {B}"]
    assert runs.list_runs() == []


def test_rm_as_json(sirius: Run, both: None) -> None:
    size = runs.find_run(A).size
    _, out, err = sirius("rm", A, "--json")
    assert json.loads(out) == {"schema_version": 1, "removed": [{"id": A, "freed_bytes": size}]}
    assert err == f"removed {A}, {size / 1e3:.0f} kB freed\n"


def test_rm_removes_nothing_if_one_is_unknown(both: None) -> None:
    error = CliRunner().invoke(app, ["rm", A, "unknown"]).exception
    assert isinstance(error, UsageError)
    assert len(runs.list_runs()) == 2


def test_rm_leaves_a_run_at_work(sirius: Run, both: None) -> None:
    with FileLock(runs.runs_dir() / A / runs.LOCK).acquire(timeout=0):
        code, _, err = sirius("rm", A)
    assert code == 3
    assert "another sirius is at work" in err
    assert len(runs.list_runs()) == 2


def test_a_place_that_cannot_be_written_leaves_nothing(sirius: Run, both: None, tmp_path: Path) -> None:
    code, out, err = sirius("show", A, "--format", "html", "--output", str(tmp_path / "missing" / "report.html"))
    assert (code, out) == (2, "")
    assert "cannot write" in err
    (tmp_path / "folder").mkdir()
    assert sirius("show", A, "--output", str(tmp_path / "folder"))[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "home"]


def test_escapes_in_names_reach_no_terminal(sirius: Run) -> None:
    keep(result(run="a\x1b[2Jb", model="evil\x1b[2J"), model="evil\x1b[2J\nname")
    (runs.runs_dir() / "c\x1b[2J").mkdir()
    (runs.runs_dir() / "c\x1b[2J" / "run.json").write_text("{")
    commands = [
        ["list"],
        ["list", "--json"],
        ["show", "a"],
        ["show", "c"],
        ["show", "a", "--json"],
        ["compare", "a", "a"],
    ]
    for command in commands:
        _, out, err = sirius(*command)
        assert "\x1b" not in out + err
    assert sirius("list")[1].count("\n") == 3
    assert "\x1b" not in sirius("rm", "a")[2]


def test_no_command_loads_anything_heavy(both: None) -> None:
    script = (
        "import sys; from sirius_cli.main import main; code = main(sys.argv[1:]); "
        "sys.exit(code or str([n for n in ('torch', 'numpy', 'lm_eval', 'textual') if n in sys.modules]))"
    )
    for command in (["list"], ["show", A], ["compare", A, B], ["rm", B]):
        done = subprocess.run([sys.executable, "-c", script, "runs", *command], capture_output=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(sirius: Run) -> None:
    code, out, err = sirius()
    assert code == 2
    assert all(command in out + err for command in ("list", "show", "compare", "rm"))
