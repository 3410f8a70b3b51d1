"""``sirius doctor`` reports what is there and survives what is not."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from sirius_cli import __version__
from sirius_cli.cli.doctor import doctor
from sirius_cli.services import doctor as service

app = Typer()
app.command()(doctor)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def sirius(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def data(*arguments: str) -> Any:
    result = sirius(*arguments, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_versions_machine_and_folders(home: Path) -> None:
    report = data("--no-torch")
    assert (report["sirius"], report["python"]) == (__version__, platform.python_version())
    assert report["packages"]["typer"] == version("typer")
    assert report["processor"]["cores"] >= report["processor"]["usable"] >= 1
    assert report["memory"]["total_bytes"] > 2**28
    models = report["folders"]["models"]
    assert (models["path"], models["exists"], models["writable"]) == (str(home / "models"), False, True)
    assert not home.exists()


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_PACKAGES", ("typer", "no-such-package"))
    assert data("--no-torch")["packages"] == {"typer": version("typer"), "no-such-package": None}
    assert "not installed" in sirius("--no-torch").stdout


def test_devices_ops_and_why_not_others() -> None:
    cpu = data()["devices"][0]
    assert cpu["device"] == "cpu"
    assert {"linear", "mlp", "attention"} <= cpu["ops"].keys()
    used = {text.split()[0] for text in cpu["ops"].values()}
    assert used | cpu["not_used"].keys() == {"numba", "torch", "triton"}
    assert not used & cpu["not_used"].keys()
    lines = [line.split(maxsplit=2) for line in sirius().stdout.splitlines()]
    assert ["device", "cpu", platform.machine()] in lines
    assert ["cpu", "linear", cpu["ops"]["linear"]] in lines
    assert any(line[:2] == ["cpu", "not"] and "triton" in line[2] for line in lines)


def test_without_torch_nothing_heavy_is_loaded_and_that_is_said() -> None:
    code = (
        "import sys\n"
        "from sirius_cli.cli.doctor import doctor\n"
        "doctor(json=True, no_torch=True)\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'numba')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert (report["devices"], report["devices_unknown"]) == (None, "--no-torch was given")
    assert "were not looked at: --no-torch" in done.stderr


def test_a_broken_torch_is_a_finding_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sirius_cli.engine.inventory", None)
    monkeypatch.delattr("sirius_cli.engine.inventory", raising=False)
    result = sirius()
    assert result.exit_code == 0
    assert "sirius" in result.stdout
    assert "the engine cannot be imported" in result.stderr


def test_a_folder_that_cannot_be_written_is_told(home: Path) -> None:
    home.write_text("a file, where a folder should be")
    folder = data("--no-torch")["folders"]["models"]
    assert (folder["exists"], folder["writable"]) == (False, False)
    assert "NOT WRITABLE" in sirius("--no-torch").stdout
