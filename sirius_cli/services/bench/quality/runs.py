"""Benchmarks kept on disk, each in a folder of its own below :func:`runs_dir`.

ID/run.json           the manifest: what was asked for
ID/samples-*.jsonl    every answer, as it was made
ID/results.json       the report; absent until there is one
ID/.lock              held by the process that is at work on it
"""

import difflib
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from sirius_cli.config import locations
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services.bench.quality.methods import Method
from sirius_cli.services.bench.quality.reports.document import result_from_json, result_to_json
from sirius_cli.services.bench.quality.results import BenchResult
from sirius_cli.services.model_store import translate_disk_errors, write_json
from sirius_cli.services.reports import stored

MANIFEST = "run.json"
RESULTS = "results.json"
LOCK = ".lock"
SCHEMA_VERSION = 1  # of the manifest
_GRAVE = ".removed-"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run was asked for. ``created`` is a time in ISO 8601, ``settings`` are the options by name.

    Runs with the same ``answers`` have the same answers of a method (:func:`.plan.answers_id`); "" is none like it.
    """

    id: str
    created: str
    model: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    settings: dict[str, str]
    answers: str = ""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run on disk. ``id`` is the name of its folder, ``size`` in bytes.

    ``items`` counts what was answered by the last report, over all tasks; None without one. A broken run says why in
    ``problem``, and may lack its ``manifest``.
    """

    id: str
    folder: Path
    state: Literal["complete", "unfinished", "broken"]
    manifest: Manifest | None
    items: int | None
    size: int
    problem: str = ""


def runs_dir() -> Path:
    """Where runs are kept."""
    return locations.home() / "runs"


def list_runs() -> list[RunInfo]:
    """All runs, the newest first; what cannot be read is listed as broken.

    Raises:
        EnvironmentProblem: the folder of all runs cannot be read.
    """
    return sorted(map(_info, _folders()), key=_age, reverse=True)


def find_run(spec: str) -> RunInfo:
    """The run that ``spec`` means: an id, the beginning of one, or the path of a run's folder.

    Raises:
        UsageError: there is none, or more than one.
    """
    folders = {folder.name: folder for folder in _folders()}
    if spec in folders:
        return _info(folders[spec])
    begun = sorted(name for name in folders if spec and name.startswith(spec))
    if len(begun) > 1:
        raise UsageError(f"{spec!r} is the beginning of several runs", f"give more of one of {', '.join(begun)}")
    if begun:
        return _info(folders[begun[0]])
    # Unlike Path.is_dir, os.path.isdir does not raise on a name that is too long.
    if spec and os.path.isdir(spec):
        return _info(Path(os.path.abspath(spec)))
    near = difflib.get_close_matches(spec, folders, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `sirius runs list`"
    raise UsageError(f"there is no run {spec!r} in {runs_dir()}", hint)


def load_result(run: RunInfo) -> BenchResult:
    """The last report of ``run``.

    Raises:
        ModelError: it has none yet, or a broken or newer one.
    """
    path = run.folder / RESULTS
    if not path.exists():
        if not (run.folder / MANIFEST).exists():
            raise ModelError(f"{run.folder} is no run", "see `sirius runs list`")
        raise ModelError(f"the run {run.id} has no results yet", "give its command again: it goes on from there")
    return result_from_json(stored.read(path), str(path))


def remove_run(run: RunInfo) -> int:
    """Delete the folder of ``run``, which is gone at once even if the deletion takes long. Returns the bytes freed.

    Raises:
        UsageError: the folder is not one of :func:`runs_dir`.
        EnvironmentProblem: another process is at work on the run, or the disk refuses.
    """
    if run.folder.parent != runs_dir() or run.folder.is_symlink():
        raise UsageError(f"{run.folder} is not kept in {runs_dir()}", "delete it by hand")
    size, grave = _size(run.folder), runs_dir() / f"{_GRAVE}{run.id}"
    with translate_disk_errors(run.folder):
        _bury(run, grave)
    for left in runs_dir().glob(f"{_GRAVE}*"):  # those of processes that died while they deleted
        shutil.rmtree(left, ignore_errors=True)
    if grave.exists():
        raise EnvironmentProblem(f"cannot delete all of {grave}", "delete it by hand")
    return size


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest`` into ``folder``, which is made if need be.

    Raises:
        EnvironmentProblem: the disk refuses.
    """
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, **asdict(manifest)})


def samples_file(folder: Path, method: Method) -> Path:
    """Where the answers of ``method`` are kept."""
    return folder / f"samples-{slug(method.name)}-{method.digest}.jsonl"


def adopt_samples(folder: Path, answers: str, methods: Sequence[Method]) -> None:
    """Copy what other runs with the same ``answers`` have of those ``methods`` that have no answers here yet.

    Raises:
        EnvironmentProblem: the disk refuses.
    """
    others = [run.folder for run in list_runs() if run.manifest and run.manifest.answers == answers != ""]
    for method in methods:
        target, found = samples_file(folder, method), _samples_of(method, others)
        if found and not target.exists():
            with translate_disk_errors(folder), tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
                shutil.copyfile(found, copy.name)
                os.replace(copy.name, target)


def _samples_of(method: Method, folders: Sequence[Path]) -> Path | None:
    """The file with most answers of ``method``, whatever its name was there."""
    files = [file for folder in folders for file in folder.glob(f"samples-*-{method.digest}.jsonl")]
    return max(files, key=lambda file: file.stat().st_size, default=None)


def slug(name: str) -> str:
    """``name`` as a part of a file's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)[:40]


def save_result(folder: Path, result: BenchResult) -> None:
    """Put the report into ``folder``: whole, or not at all.

    Raises:
        EnvironmentProblem: the disk refuses.
    """
    write_json(folder / RESULTS, result_to_json(result))


def _folders() -> list[Path]:
    """Those of runs. One that holds nothing visible yet has only just been begun."""
    root = runs_dir()
    try:
        found = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {root}: {error.strerror}", "check its permissions") from error
    return [path for path in found if not _is_bare(path)]


def _is_bare(folder: Path) -> bool:
    try:
        return all(name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


def _info(folder: Path) -> RunInfo:
    manifest, size = None, _size(folder)
    try:
        manifest = stored.parsed(_adapter(), stored.read(folder / MANIFEST), SCHEMA_VERSION, str(folder / MANIFEST))
        result = _report_in(folder)
    except ModelError as error:
        return RunInfo(folder.name, folder, "broken", manifest, None, size, error.message)
    if result is None:
        return RunInfo(folder.name, folder, "unfinished", manifest, None, size)
    state: Literal["complete", "unfinished"] = "complete" if result.complete else "unfinished"
    return RunInfo(folder.name, folder, state, manifest, _items(result), size)


def _report_in(folder: Path) -> BenchResult | None:
    path = folder / RESULTS
    return result_from_json(stored.read(path), str(path)) if path.exists() else None


def _items(result: BenchResult) -> int:
    return sum(max((method.items for method in task.methods), default=0) for task in result.tasks)


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # gone meanwhile
                size += os.lstat(os.path.join(place, name)).st_size
    return size


def _age(run: RunInfo) -> float:
    """Seconds of the clock at which ``run`` was created, or its folder last changed."""
    with suppress(ValueError, OverflowError, OSError):
        if run.manifest:
            return datetime.fromisoformat(run.manifest.created).timestamp()
    with suppress(OSError):
        return run.folder.stat().st_mtime
    return 0.0


def _bury(run: RunInfo, grave: Path) -> None:
    """Take the folder out of sight while nobody else can be at work in it. Raises OSError."""
    try:
        with FileLock(run.folder / LOCK).acquire(timeout=0):
            shutil.rmtree(grave, ignore_errors=True)
            os.replace(run.folder, grave)
    except Timeout as error:
        raise EnvironmentProblem(f"another sirius is at work on the run {run.id}", "wait until it ends") from error


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)
