"""A conversation as a text file, with the trace of its answers beside it."""

import os
import tempfile
from collections.abc import Iterable, Sequence
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
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"cannot save to {path}", "name a file in a folder that exists")
    trace = path.with_name(path.stem + TRACE_SUFFIX)
    try:
        write_text(path, _document(messages))
        _write_trace(trace, header, events)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {error.filename or path}: {error.strerror}", "name another file"
        ) from error
    return path, trace


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` at once, for the user's eyes alone. Raises OSError."""
    place = _beside(path)
    try:
        place.write_text(text, encoding="utf-8")
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def _write_trace(path: Path, header: TraceHeader, events: Iterable[StepEvent]) -> None:
    place = _beside(path)
    try:
        with TraceWriter(place, header) as writer:
            for event in events:
                writer.write(event)
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    os.close(descriptor)
    return Path(name)


def _document(messages: Sequence[Message]) -> str:
    return "\n".join(f"{_NAMES[message.role]}\n\n{message.content.strip()}\n" for message in messages)
