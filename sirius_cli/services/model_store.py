"""The folder in which sirius keeps what it fetched and converted.

    builtin/NAME/model.gguf    fetched files
    converted/KEY/             safetensors and tokenizer of the GGUF file whose SHA-256 starts with KEY
    quantised/KEY/FORMAT/      copies of a model's weights in fewer bits, for drafts
    staging/KEY/               a build or a removal under way; only the holder of KEY's lock may be in there
    locks/KEY.lock
    hashes/*.json              SHA-256 of files already read, by path, size and time

Builds are made in ``staging`` and moved into place by one rename, so that a reader sees all of it or nothing.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.services.progress import Progress, ProgressEvent
from sirius_cli.services.sizes import megabytes

MANIFEST = "sirius.json"
_CONVERTER = 1  # part of the key: raise it when the conversion changes
_CHUNK = 1 << 22  # bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a converted folder comes from."""

    name: str
    source: str
    sha256: str
    transformers: str
    schema_version: int = 1


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The layout below ``root``, see the module."""

    root: Path

    def builtin(self, name: str) -> Path:
        return self.root / "builtin" / name / "model.gguf"

    def converted(self, sha256: str) -> Path:
        return self.root / "converted" / key_of(sha256)

    def quantised(self, identity: str) -> Path:
        """The copies of the model whose weights have this ``identity``; its lock has the folder's name."""
        return self.root / "quantised" / hashlib.sha256(identity.encode()).hexdigest()[:24]

    def all_converted(self) -> list[tuple[Path, Manifest]]:
        """Every finished conversion, by name."""
        folders = [path.parent for path in (self.root / "converted").glob(f"*/{MANIFEST}")]
        return sorted(((folder, read_manifest(folder)) for folder in folders), key=lambda pair: pair[1].name)

    @contextmanager
    def locked(self, key: str, progress: Progress) -> Iterator[None]:
        """Hold ``key``; wait, and say so, while another process has it."""
        with translate_disk_errors(self.root, errno.ENOENT):  # a place in which nothing can be made, like /proc
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / "locks" / f"{key}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                progress(ProgressEvent("Waiting for another sirius that prepares this model"))
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self, key: str, final: Path) -> Iterator[Path]:
        """An empty folder that becomes ``final`` when the block ends well and vanishes when it does not.

        The caller holds the lock of ``key``, therefore a folder found here belongs to a dead process.
        """
        folder = self.root / "staging" / key
        with translate_disk_errors(self.root):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                yield folder
                _sync(folder)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(folder, final)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self, path: Path, key: str) -> int:
        """Take ``path`` away at once, then free its space. The caller holds ``key``. Returns the bytes freed."""
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        grave = self.root / "staging" / key
        with translate_disk_errors(self.root):
            shutil.rmtree(grave, ignore_errors=True)
            grave.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, grave)
            shutil.rmtree(grave)
        return size

    def sweep(self) -> None:
        """Delete the builds of processes that died. A build whose lock is held stays."""
        for folder in (self.root / "staging").glob("*"):
            lock = FileLock(self.root / "locks" / f"{folder.name}.lock")
            with suppress(Timeout, OSError), lock.acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)

    def sha256(self, path: Path, progress: Progress) -> str:
        """SHA-256 of ``path``, remembered as long as its path, size and time stay the same."""
        stat, place = path.stat(), str(path.resolve())
        identity = {"path": place, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        record = self.root / "hashes" / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.json"
        with suppress(OSError, ValueError, AttributeError):
            known = json.loads(record.read_bytes())
            digest = known.pop("sha256")
            if known == identity and isinstance(digest, str):
                return digest
        digest = hash_file(path, progress)
        write_json(record, {**identity, "sha256": digest})
        return digest


def key_of(sha256: str) -> str:
    """The name of a conversion's folder."""
    return f"{sha256[:24]}-v{_CONVERTER}"


def read_manifest(folder: Path) -> Manifest:
    """Where ``folder`` comes from."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read: {error}", f"delete {folder} and pull again") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes ``folder`` a finished conversion once it is in place."""
    write_json(folder / MANIFEST, asdict(manifest))


def write_json(path: Path, value: object) -> None:
    """Write beside, then rename."""
    with translate_disk_errors(path.parent, errno.ENOENT):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            beside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def hash_file(path: Path, progress: Progress) -> str:
    """SHA-256 of ``path`` in hex.

    Raises:
        ModelError: the file cannot be read.
    """
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    stage = f"Reading {path.name}"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                progress(ProgressEvent(stage, done, total))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check the file and its permissions") from error
    return digest.hexdigest()


def need_space(folder: Path, needed: int, purpose: str) -> None:
    """Make sure that ``needed`` bytes are free where ``folder`` is or will be.

    Raises:
        EnvironmentProblem: the disk has less.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise EnvironmentProblem(
            f"not enough disk space to {purpose}: {megabytes(needed)} needed, {megabytes(free)} free at {existing}",
            "free some space, or move sirius with SIRIUS_HOME",
        )


@contextmanager
def translate_disk_errors(folder: Path, *refusals: int) -> Iterator[None]:
    """Turn what the disk refuses into one clear line; ``refusals`` are further errors that count as a refusal."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, *refusals):
            raise EnvironmentProblem(
                f"cannot write to {error.filename or folder}: {error.strerror}",
                "give a folder you may write to in SIRIUS_HOME",
            ) from error
        raise


def disk_full(folder: Path) -> EnvironmentProblem:
    """What to say when the disk has no room left; nothing half-written is kept."""
    return EnvironmentProblem(f"the disk with {folder} is full", "free some space, or move sirius with SIRIUS_HOME")


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
