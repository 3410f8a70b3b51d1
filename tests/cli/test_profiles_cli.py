"""``sirius profiles``, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sirius_cli.cli.profiles import app
from sirius_cli.config.faults import ProfileError
from sirius_cli.config.locations import profiles_dir
from sirius_cli.errors import UsageError


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = profiles_dir()
    folder.mkdir(parents=True)
    return folder


def sirius(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def data(*arguments: str) -> Any:
    return json.loads(sirius(*arguments).stdout)


def test_list_shows_shipped_and_own_profiles(own: Path) -> None:
    (own / "mine.yaml").write_text("extends: sirius\ndescription: My own.\ncorrection: {window: 9}\n")
    result = sirius("list")
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines()}
    assert rows["sirius"][1:8] == ["coarse", "0.5", "refresh", "1", "16", "likelihood", "shipped"]
    assert rows["dense"][1:5] == ["dense", "-", "-", "shipped"]
    assert rows["exact"][1:9] == ["dense", "int4", "g32", "lookup", "3", "16", "exact", "shipped"]
    assert rows["mine"][1:] == ["coarse", "0.5", "refresh", "1", "9", "likelihood", "own", "My", "own."]


def test_a_faulty_own_profile_does_not_hide_the_others(own: Path) -> None:
    (own / "bad.yaml").write_text("draft: {keep: 0}\n")
    result = sirius("list")
    assert result.exit_code == 0
    assert "faulty: see sirius profiles validate" in result.stdout
    assert "sirius-fine" in result.stdout
    entries = {entry["name"]: entry for entry in data("list", "--json")["profiles"]}
    assert entries["bad"]["profile"] is None
    assert entries["bad"]["faults"][0]["key"] == "draft.keep"
    assert entries["sirius"]["profile"]["correction"]["window"] == 16


@pytest.mark.parametrize("name", ["dense", "coarse", "fine", "sirius", "sirius-fine", "exact", "exact-small", "turbo"])
def test_what_show_prints_is_a_profile_of_the_same_values(name: str, own: Path) -> None:
    for flags in ([], ["--origin"]):
        (own / "copy.yaml").write_text(sirius("show", name, *flags).stdout)
        original, copy = (data("show", which, "--json")["profile"] for which in (name, "copy"))
        assert copy == original | {"name": "copy"}


def test_show_tells_origins(own: Path) -> None:
    (own / "mine.yaml").write_text("extends: sirius\ndraft:\n  keep: 0.3\n")
    lines = sirius("show", "mine", "--origin").stdout.splitlines()
    assert f"  keep: 0.3  # {own / 'mine.yaml'}:3" in lines
    assert "  method: coarse  # profiles/sirius.yaml:8" in lines
    origins = data("show", "mine", "--origin", "--json")["origins"]
    assert origins["draft.keep"] == f"{own / 'mine.yaml'}:3"
    assert "origins" not in data("show", "mine", "--json")


def test_show_of_an_unknown_profile() -> None:
    result = sirius("show", "siruis")
    assert isinstance(result.exception, UsageError)
    assert "did you mean sirius" in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize("file", ["mine.yaml", "mine"])
def test_validate_accepts_a_sound_file(file: str) -> None:
    Path(file).write_text("extends: exact\n")
    result = sirius("validate", file)
    assert (result.exit_code, result.stdout) == (0, f"{file} is a valid profile\n")
    verdict = data("validate", file, "--json")
    assert (verdict["valid"], verdict["faults"]) == (True, [])
    assert verdict["profile"]["correction"]["accept"] == "exact"


def test_validate_lists_every_fault() -> None:
    Path("mine.yaml").write_text("draft:\n  keep: 0\n  kep: 1\n")
    result = sirius("validate", "mine.yaml", "--json")
    assert isinstance(result.exception, ProfileError)
    verdict = json.loads(result.stdout)
    assert verdict["valid"] is False
    assert [fault["place"] for fault in verdict["faults"]] == ["mine.yaml:2", "mine.yaml:3"]
    plain = sirius("validate", "mine.yaml")
    assert plain.stdout == ""
    assert str(plain.exception).startswith("mine.yaml:2: draft.keep: must be greater than 0, not 0; mine.yaml:3: ")


def test_validate_of_a_missing_file() -> None:
    assert "no profile file" in str(sirius("validate", "none").exception)


def test_profiles_need_no_torch() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from sirius_cli.cli.profiles import app\n"
        "assert CliRunner().invoke(app, ['show', '--json']).exit_code == 0\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'numba')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
