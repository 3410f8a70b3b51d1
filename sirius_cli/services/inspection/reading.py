"""Which traces are meant, and reading them."""

import os
from pathlib import Path

from sirius_cli.config import locations
from sirius_cli.core.trace import read_trace
from sirius_cli.errors import ModelError, SiriusError, UsageError
from sirius_cli.services.inspection.facts import Inspection, Run
from sirius_cli.services.inspection.folding import run_of

_SUFFIX = ".jsonl"
_HOW = "record one with: sirius chat --trace FILE"


def traces_dir() -> Path:
    """Where traces are looked for by name."""
    return locations.home() / "traces"


def find(spec: str | None) -> Path:
    """The file or folder that ``spec`` means: a path, or the name of a trace in :func:`traces_dir`; None: the newest.

    Raises:
        UsageError: if there is none to take without being told.
        ModelError: if there is nothing at ``spec``.
    """
    if spec is None:
        return _newest()
    if not spec:
        raise UsageError("the name of the trace is empty", "name one, or none for the newest")
    # Unlike Path.exists, os.path.exists does not raise on a name that is too long.
    named = [traces_dir() / spec, traces_dir() / f"{spec}{_SUFFIX}"]
    found = next((path for path in [Path(spec), *named] if os.path.exists(path)), None)
    if found is None:
        raise ModelError(f"there is no trace {spec}, nor one of that name in {traces_dir()}", _HOW)
    return found


def read(path: Path) -> Inspection:
    """Read a trace, or every trace of a folder; of broken ones the part that is sound.

    Raises:
        ModelError: if there is no trace, or the only one cannot be read.
    """
    return _read_folder(path) if path.is_dir() else Inspection(*_sound([_read_file(path)]))


def files_of(path: Path) -> list[Path]:
    """The traces that :func:`read` reads at ``path``."""
    return sorted(path.glob(f"*{_SUFFIX}")) if path.is_dir() else [path]


def _newest() -> Path:
    try:
        return max(traces_dir().glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
    except (ValueError, OSError) as error:
        raise UsageError(f"there is no trace in {traces_dir()}", f"name one, or {_HOW}") from error


def _read_folder(folder: Path) -> Inspection:
    files = files_of(folder)
    if not files:
        raise ModelError(f"the folder {folder} holds no trace (*{_SUFFIX})", _HOW)
    runs, unread = [], []
    for path in files:
        try:
            runs.append(_read_file(path))
        except SiriusError as error:
            unread.append(error)
    if not runs:
        raise ModelError(f"no trace in {folder} can be read, the first because: {unread[0].message}", _HOW)
    sound, problems = _sound(runs)
    return Inspection(sound, (*problems, *(f"{error.message} (left out)" for error in unread)))


def _read_file(path: Path) -> Run:
    return run_of(path.name.removesuffix(_SUFFIX), read_trace(path))


def _sound(runs: list[Run]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """The runs, and what is to be said of them."""
    damaged = [run.damage for run in runs if run.damage]
    empty = [f"the trace {run.name} holds no answer" for run in runs if not run.requests and not run.damage]
    return tuple(runs), (*damaged, *empty)
