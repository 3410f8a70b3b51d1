"""What an exception means to the user; and reports about those that are bugs of ours."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from sirius_cli import __version__
from sirius_cli.config import locations
from sirius_cli.errors import EnvironmentProblem, SiriusError

_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory")
_MACHINE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EIO)


def explain(problem: BaseException) -> SiriusError | None:
    """The error that ``problem`` amounts to for the user; None if it is a bug of ours."""
    if isinstance(problem, SiriusError):
        return problem
    if _is_out_of_memory(problem):
        return EnvironmentProblem("out of memory", "use a smaller model, a shorter prompt or fewer new tokens")
    if isinstance(problem, OSError) and problem.errno in _MACHINE_ERRNOS:
        where = f": {problem.filename}" if problem.filename else ""
        return EnvironmentProblem(f"the system refused a file operation: {problem.strerror}{where}")
    if isinstance(problem, ModuleNotFoundError) and not (problem.name or "").startswith("sirius"):
        return EnvironmentProblem(f"the Python package {problem.name} is missing", "install sirius-llm again")
    return None


def report_bug(problem: BaseException) -> SiriusError:
    """Save a report about ``problem``; gives what to tell the user."""
    message = f"internal error, {type(problem).__name__}: {problem}"
    try:
        return SiriusError(message, f"a report was saved in {_save(problem)}, SIRIUS_DEBUG=1 shows the traceback")
    except OSError:
        return SiriusError(message, "SIRIUS_DEBUG=1 shows the traceback")


def _is_out_of_memory(problem: BaseException) -> bool:
    """torch is not imported for this: its class is known by name, its CPU allocator by the message."""
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    return isinstance(problem, RuntimeError) and any(words in str(problem).lower() for words in _OUT_OF_MEMORY)


def _save(problem: BaseException) -> Path:
    """Write the traceback and versions, not the command line: prompts are private."""
    folder = locations.home() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    header = f"sirius {__version__}\nPython {sys.version}\n{platform.platform()}\n{now.isoformat()}\n\n"
    descriptor, name = tempfile.mkstemp(prefix=f"bug-{now:%Y%m%d-%H%M%S}-", suffix=".txt", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(header + "".join(traceback.format_exception(problem)))
    return Path(name)
