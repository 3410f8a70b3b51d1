"""GGUF to safetensors, once for each content. Needs no torch here: a worker process has it."""

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

from sirius_cli.errors import EnvironmentProblem, ModelError, SiriusError
from sirius_cli.services import python_process
from sirius_cli.services.gguf_header import GgufHeader, read_gguf_header
from sirius_cli.services.model_folder import check_folder
from sirius_cli.services.model_store import (
    Manifest,
    ModelStore,
    disk_full,
    key_of,
    need_space,
    write_manifest,
)
from sirius_cli.services.progress import Progress, ProgressEvent
from sirius_cli.services.sizes import megabytes

_FLOAT = 4  # bytes
_TOKENIZER_SPACE = 64_000_000  # bytes, more than any tokenizer takes
_KILLED = -9  # how the kernel ends a process that takes too much memory
_END_IDS = ("eos", "eot", "eom")


def ensure_converted(store: ModelStore, source: Path, sha256: str, name: str, progress: Progress) -> Path:
    """The folder with the safetensors of ``source``, whose content has this ``sha256``; made if there is none yet.

    Raises:
        ModelError: the file is broken or not supported.
        EnvironmentProblem: no disk space or memory.
    """
    folder = store.converted(sha256)
    if folder.exists():
        return folder
    with store.locked(key_of(sha256), progress):
        if not folder.exists():
            _convert(store, source, sha256, name, progress)
    return folder


def _convert(store: ModelStore, source: Path, sha256: str, name: str, progress: Progress) -> None:
    header = read_gguf_header(source)
    need_space(store.root, header.parameters * _FLOAT + _TOKENIZER_SPACE, f"convert {name}")
    with store.staging(key_of(sha256), store.converted(sha256)) as folder:
        run_worker(source, folder, header, name, progress)
        check_folder(folder)
        version = importlib.metadata.version("transformers")
        write_manifest(folder, Manifest(name, str(source.resolve()), sha256, version))


def run_worker(source: Path, folder: Path, header: GgufHeader, name: str, progress: Progress) -> None:
    """Run the worker to its end and pass on what it says. It does not outlive this call."""
    command = _command(source, folder, header)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=python_process.environment(),
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        last: dict[str, Any] = {}
        try:
            for line in process.stdout:
                last = json.loads(line)
                if "stage" in last:
                    progress(ProgressEvent(f"Converting {name} once: {last['stage']}"))
            code = process.wait()
        finally:
            process.kill()
    if not last.get("done"):
        raise _failure(last, code, source, folder, header)


def _command(source: Path, folder: Path, header: GgufHeader) -> list[str]:
    split = str(header.metadata.get("tokenizer.ggml.pre", ""))
    options = json.dumps({"eos_ids": header.ids(*_END_IDS), "split": split})
    return python_process.command("sirius_cli.services.gguf_worker", str(source), str(folder), options)


def _failure(last: dict[str, Any], code: int, source: Path, folder: Path, header: GgufHeader) -> SiriusError:
    detail = str(last.get("detail", f"the converter ended with status {code}"))
    if last.get("fault") == "disk":
        return disk_full(folder.parent)
    if last.get("fault") == "memory" or code == _KILLED:
        need = megabytes(2 * header.parameters * _FLOAT)
        return EnvironmentProblem(
            f"out of memory while converting {source}", f"close other programs; about {need} of memory are needed"
        )
    architecture = header.metadata["general.architecture"]
    return ModelError(f"{source} ({architecture}) cannot be converted: {detail}", "use a safetensors model instead")
