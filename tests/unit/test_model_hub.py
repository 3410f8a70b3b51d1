"""Models of the Hub: a fake client that fills a real cache folder, or fails as the real one does."""

import errno
import importlib
import json
import socket
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants, errors
from safetensors.numpy import save_file

from sirius_cli.errors import EnvironmentProblem, ModelError, SiriusError
from sirius_cli.exit_codes import ExitCode
from sirius_cli.services import hub_model
from sirius_cli.services.hub_model import cached_models, fetch_folder, fetch_gguf
from sirius_cli.services.model_spec import HubSpec
from sirius_cli.services.models import resolve
from sirius_cli.services.progress import ProgressEvent, silent

SPEC = HubSpec("owner/name", "v1")


class FakeHub:
    """Stands in for ``snapshot_download`` and remembers how it was asked."""

    def __init__(self, folder: Path, failure: Exception | None = None) -> None:
        self.folder, self.failure, self.asked = folder, failure, dict[str, Any]()

    def __call__(self, repo: str, **asked: Any) -> str:
        self.asked = {"repo": repo, **asked}
        if self.failure is not None:
            raise self.failure
        files = asked["tqdm_class"](total=2, desc="Fetching 2 files", disable=None)
        bar = asked["tqdm_class"](total=0, initial=0, unit="B", desc="Reconstructing", name="huggingface_hub.x")
        bar.total = 300
        for size in (100, 200):
            bar.update(size)
            files.update(1)
        return str(self.folder)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "hub" / "models--owner--name" / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (folder.parent.parent / "refs").mkdir()
    (folder.parent.parent / "refs" / "main").write_text("0" * 40)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"a": np.zeros(3, np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def hub(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(snapshot)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    return fake


@pytest.fixture
def repository_holds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def holds(*files: str) -> None:
        def listing(self: object, repo: str, *, revision: str | None) -> list[str]:
            return list(files)

        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", listing)

    return holds


def answer(kind: type[errors.HfHubHTTPError], status: int) -> errors.HfHubHTTPError:
    """An error as the Hub's client raises it."""
    client = importlib.import_module(errors.Response.__module__.partition(".")[0])  # type: ignore[attr-defined]
    request = client.Request("GET", "http://hub.invalid")
    return kind("it says no\nand more", response=client.Response(status, request=request))


def test_only_what_is_needed_is_asked_for_and_bytes_are_reported(hub: FakeHub, snapshot: Path) -> None:
    events: list[ProgressEvent] = []
    assert fetch_folder(SPEC, offline=False, progress=events.append) == snapshot
    assert hub.asked["repo"] == "owner/name"
    assert hub.asked["revision"] == "v1"
    assert hub.asked["local_files_only"] is False

    def wanted(name: str) -> bool:
        allowed = any(fnmatch(name, pattern) for pattern in hub.asked["allow_patterns"])
        return allowed and not any(fnmatch(name, pattern) for pattern in hub.asked["ignore_patterns"])

    names = ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.model", "merges.txt"]
    assert all(wanted(name) for name in [*names, "config.json", "chat_template.jinja"])
    names = ["pytorch_model.bin", "original/x.pth", "onnx/model.safetensors", "m.gguf", "README.md"]
    assert not any(wanted(name) for name in names)
    assert events == [
        ProgressEvent("Fetching owner/name@v1", 100, 300),
        ProgressEvent("Fetching owner/name@v1", 300, 300),
    ]


def test_offline_asks_for_local_files_only(hub: FakeHub) -> None:
    resolved = resolve("owner/name", offline=True)
    assert hub.asked["local_files_only"] is True
    assert resolved.name == "owner/name"


def test_offline_never_touches_the_network(tmp_path: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert fetch_folder(HubSpec("owner/name"), offline=True, progress=silent) == snapshot
    with pytest.raises(
        ModelError, match=r"owner/other is not in the Hugging Face cache.*sirius models pull owner/other"
    ):
        fetch_folder(HubSpec("owner/other"), offline=True, progress=silent)


FAILURES: dict[str, tuple[Callable[[], Exception], type[SiriusError], str]] = {
    "gated": (lambda: answer(errors.GatedRepoError, 403), ModelError, "owner/name is gated.*`hf auth login`"),
    "unknown": (lambda: answer(errors.RepositoryNotFoundError, 404), ModelError, "no model owner/name on the Hub"),
    "revision": (lambda: answer(errors.RevisionNotFoundError, 404), ModelError, "has no revision 'v1'"),
    "name": (lambda: errors.HFValidationError("bad"), ModelError, "is no name of a model on the Hub"),
    "variable": (lambda: errors.OfflineModeIsEnabled("x"), ModelError, "not in the Hugging Face cache"),
    "not cached": (lambda: errors.LocalEntryNotFoundError("x"), EnvironmentProblem, "cannot reach the Hub"),
    "no network": (lambda: errors.HTTPError("dns"), EnvironmentProblem, "cannot reach the Hub"),  # type: ignore[attr-defined]
    "server": (
        lambda: answer(errors.HfHubHTTPError, 500),
        EnvironmentProblem,
        "the Hub refused owner/name@v1: it says no",
    ),
    "disk": (lambda: OSError(errno.ENOSPC, "full", "/cache"), EnvironmentProblem, "disk with /cache is full"),
    "other": (lambda: OSError(errno.EIO, "broken"), EnvironmentProblem, "cannot fetch owner/name@v1"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_the_hub_raises_becomes_one_line(case: str, hub: FakeHub) -> None:
    make, kind, words = FAILURES[case]
    hub.failure = make()
    with pytest.raises(kind, match=words) as caught:
        fetch_folder(SPEC, offline=False, progress=silent)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code in (ExitCode.ENVIRONMENT, ExitCode.MODEL_OR_DATA)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["config.json", "pytorch_model.bin"], "only pytorch_model.bin: pickled weights can run any code"),
        (["m-Q4.gguf"], "name one of its GGUF files: owner/name:m-Q4.gguf"),
        (["README.md"], "has no weights"),
    ],
)
def test_a_repository_without_safetensors_says_what_it_has(
    hub: FakeHub, snapshot: Path, repository_holds: Callable[..., None], files: list[str], words: str
) -> None:
    (snapshot / "model.safetensors").unlink()
    repository_holds(*files)
    with pytest.raises(ModelError, match=words):
        fetch_folder(SPEC, offline=False, progress=silent)


def test_an_interrupted_download_is_not_complete_offline(hub: FakeHub, snapshot: Path) -> None:
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="or not complete"):
        fetch_folder(SPEC, offline=True, progress=silent)


def test_one_gguf_file_of_a_repository(hub: FakeHub, snapshot: Path, repository_holds: Callable[..., None]) -> None:
    (snapshot / "m[1].gguf").write_bytes(b"GGUF")
    assert (
        fetch_gguf(HubSpec("owner/name", None, "m[1].gguf"), offline=False, progress=silent) == snapshot / "m[1].gguf"
    )
    assert hub.asked["allow_patterns"] == ["m[[]1].gguf"]
    repository_holds("a.gguf", "b.gguf", "config.json")
    with pytest.raises(ModelError, match=r"has no file c\.gguf; it has a\.gguf, b\.gguf"):
        fetch_gguf(HubSpec("owner/name", None, "c.gguf"), offline=False, progress=silent)
    with pytest.raises(ModelError, match="not in the Hugging Face cache"):
        fetch_gguf(HubSpec("owner/name", None, "c.gguf"), offline=True, progress=silent)


def test_the_cache_is_listed_by_the_names_that_m_takes(
    tmp_path: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (snapshot / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", _scan(tmp_path / "hub"))
    listed = {model.name: model for model in cached_models()}
    assert set(listed) == {"owner/name", "owner/name:m.gguf"}
    assert listed["owner/name:m.gguf"].size_bytes == 4
    assert listed["owner/name"].path == snapshot


def test_no_cache_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", _scan(tmp_path / "missing"))
    assert hub_model.cached_models() == []


def _scan(folder: Path) -> Callable[[], Any]:
    real = huggingface_hub.scan_cache_dir
    return lambda: real(folder)
