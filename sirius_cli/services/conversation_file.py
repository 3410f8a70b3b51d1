"""The file of one conversation: a header line, then a line for every turn, appended when its answer has ended."""

import errno
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from pydantic import TypeAdapter

from sirius_cli.core.metrics import Metrics
from sirius_cli.errors import ModelError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptCorrection:
    """A corrected token: number ``index`` of the answer, its text at character ``offset``.

    ``p`` and ``p_draft`` are the dense model's probabilities of the token and of what the draft had wanted.
    """

    index: int
    offset: int
    window: int
    text: str
    draft_text: str
    p: float
    p_draft: float
    entropy: float | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt and what its answer came to."""

    prompt: str
    answer: str
    finish_reason: str
    corrections: tuple[KeptCorrection, ...]
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class ConversationHeader:
    """``created`` is a time in ISO 8601, UTC; ``profile`` the name of the one that it began with."""

    id: str
    created: str
    model: str
    profile: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """``damage`` says which of its lines cannot be read, if there are such; ``turns`` are the others."""

    header: ConversationHeader
    turns: tuple[Turn, ...]
    damage: str | None


def create(path: Path, header: ConversationHeader, first: Turn) -> None:
    """Begin a file that only the user can read: written beside, then renamed. Raises OSError."""
    opening = {"event": "header", "schema_version": SCHEMA_VERSION, **asdict(header)}
    descriptor, beside = mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_line(opening) + _turn_line(first))
        os.replace(beside, path)
    finally:
        Path(beside).unlink(missing_ok=True)


def append(path: Path, turn: Turn) -> None:
    """Add a turn. Raises OSError; the file is then as before."""
    _append(path, _turn_line(turn))


def take_back(path: Path) -> None:
    """Undo the last turn. Raises as :func:`append`."""
    _append(path, _line({"event": "taken_back"}))


def read(path: Path) -> Conversation:
    """Raises ModelError where the file cannot be read, is no conversation, or is of a newer schema."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise _unreadable(path, error) from error
    turns: list[Turn] = []
    damage = None
    for number, line in enumerate(lines[1:], start=2):
        try:
            _take(turns, line)
        except ValueError:
            damage = damage or f"{path}:{number}: not a turn; it is left out"
    return Conversation(_header(path, lines[0]), tuple(turns), damage)


def read_opening(path: Path) -> tuple[ConversationHeader, str]:
    """The header and the first prompt. Raises as :func:`read`."""
    try:
        with path.open("rb") as file:
            opening, first = file.readline(), file.readline()
    except OSError as error:
        raise _unreadable(path, error) from error
    turns: list[Turn] = []
    with suppress(ValueError):
        _take(turns, first)
    return _header(path, opening), turns[0].prompt if turns else ""


def _take(turns: list[Turn], line: bytes) -> None:
    """What ``line`` does to ``turns``. Raises ValueError on what is no such line."""
    if not line:
        return
    data = _object().validate_json(line)
    match data.pop("event", None):
        case "turn":
            turns.append(_adapter(Turn).validate_python(data))
        case "taken_back":
            turns[-1:] = []
        case _:
            raise ValueError("unknown event")


def _header(path: Path, line: bytes) -> ConversationHeader:
    try:
        data = _object().validate_json(line)
        version = data.pop("schema_version", None)
        if data.pop("event", None) != "header" or not isinstance(version, int):
            raise ValueError("no header")
        if version == SCHEMA_VERSION:
            header: ConversationHeader = _adapter(ConversationHeader).validate_python(data)
            return header
    except ValueError as error:
        raise ModelError(f"{path} is not a conversation", "delete it, or repair it by hand") from error
    raise ModelError(
        f"the conversation {path} has schema_version {version}, this program reads {SCHEMA_VERSION}",
        "read it with the sirius that wrote it",
    )


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = b"\n" + line if torn else line
        if os.write(descriptor, content) < len(content):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"cannot read the conversation {path}: {error.strerror}", "check the file and its permissions")


def _turn_line(turn: Turn) -> bytes:
    return _line({"event": "turn", **asdict(turn)})


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@cache
def _object() -> TypeAdapter[dict[str, Any]]:
    return TypeAdapter(dict[str, Any])
