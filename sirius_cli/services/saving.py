"""A conversation as a text file, with the trace of its answers beside it."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sirius_cli.core.events import StepEvent
from sirius_cli.core.trace import TraceHeader, TraceWriter
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services.feed import Message

TRACE_SUFFIX = ".trace.jsonl"
_NAMES = {"user": "## Prompt", "assistant": "## Answer"}


def save(
    path: Path, messages: Sequence[Message], header: TraceHeader, events: Iterable[StepEvent]
) -> tuple[Path, Path]:
    """Write ``messages`` to ``path`` and ``events`` beside it. Returns both files; neither is ever half-written.

    Raises:
        UsageError: if ``path`` is a folder or in none.
        EnvironmentProblem: if a file cannot be written.
    """
    _, trace = files_of(path)
    try:
        write_text(path, _document(messages))
        _write_trace(trace, header, events)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {error.filename or path}: {error.strerror}", "name another file"
        ) from error
    return path, trace


def files_of(path: Path) -> tuple[Path, Path]:
    """The files that a conversation saved to ``path`` has. Raises UsageError if ``path`` is a folder or in none."""
    if not is_place(path):
        raise UsageError(f"cannot save to {path}", "name a file in a folder that exists")
    return path, path.with_name(path.stem + TRACE_SUFFIX)


def is_place(path: Path) -> bool:
    """Whether a file may be at ``path``: it is no folder, but in one."""
    return not path.is_dir() and path.absolute().parent.is_dir()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` at once, for the user's eyes alone. Raises OSError."""
    with _whole(path) as place:
        place.write_text(text, encoding="utf-8")


def _write_trace(path: Path, header: TraceHeader, events: Iterable[StepEvent]) -> None:
    with _whole(path) as place, TraceWriter(place, header) as writer:
        for event in events:
            writer.write(event)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write what is to be in the file ``path``, which it becomes in the end, all of it or nothing.

    A link stays, and its target is written. A device or a pipe is no file that could be replaced: it is written to.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        yield path
        return
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    place = Path(name)
    try:
        yield place
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def _document(messages: Sequence[Message]) -> str:
    return "\n".join(f"{_NAMES[message.role]}\n\n{message.content.strip()}\n" for message in messages)
