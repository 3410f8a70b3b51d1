"""How a front end and the engine's process talk: one JSON object a line, commands one way, feed items the other.

Events have the form that they have in a trace.
"""

import json
from collections.abc import Container
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sirius_cli.core.profile import Profile
from sirius_cli.core.trace import event_from_json, event_to_json
from sirius_cli.errors import SiriusError
from sirius_cli.services.feed import (
    FeedItem,
    Gone,
    Happened,
    Loading,
    Measured,
    Problem,
    Question,
    Ready,
    Working,
)
from sirius_cli.services.session import ModelChoice

_SHOWN = 80  # characters of a line that cannot be read


@dataclass(frozen=True, slots=True)
class Open:
    """The first line: which model to load. ``profile`` is what it is loaded with; each question brings its own."""

    choice: ModelChoice
    profile: Profile


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer ``question``; what comes of it is marked with ``number``."""

    number: int
    question: Question


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the answer to question ``number``; None: do not go on fetching or loading the model."""

    number: int | None


Command = Open | Ask | Cancel
_COMMANDS: dict[str, type[Command]] = {"open": Open, "ask": Ask, "cancel": Cancel}
_ITEMS: dict[str, type[FeedItem]] = {
    "working": Working,
    "loading": Loading,
    "ready": Ready,
    "happened": Happened,
    "measured": Measured,
    "problem": Problem,
    "gone": Gone,
}
_TYPES: dict[str, type[Any]] = {**_COMMANDS, **_ITEMS}
_KINDS = {cls: kind for kind, cls in _TYPES.items()}


class ProtocolError(SiriusError):
    """A line that is no message. ``number`` is the question that it belongs to, where that can be told."""

    def __init__(self, problem: str, number: int | None = None) -> None:
        super().__init__(problem)
        self.number = number


def encode(message: Command | FeedItem) -> bytes:
    """``message`` as one line, its newline included."""
    return json.dumps({"kind": _KINDS[type(message)], **_fields(message)}).encode() + b"\n"


def decode_command(line: bytes) -> Command:
    """The inverse of ``encode``. Raises ProtocolError on anything else."""
    data = _parse(line)
    command: Command = _build(data, _COMMANDS, data.get("number"))
    return command


def decode_item(line: bytes) -> FeedItem:
    """The inverse of ``encode``. Raises ProtocolError on anything else."""
    data = _parse(line)
    if data.get("kind") == "happened":
        return _happened(data)
    item: FeedItem = _build(data, _ITEMS, data.get("question"))
    return item


def _fields(message: Command | FeedItem) -> dict[str, Any]:
    if isinstance(message, Happened):
        return {"question": message.question, "event": event_to_json(message.event)}
    fields: dict[str, Any] = _adapter(_KINDS[type(message)]).dump_python(message)
    return fields


def _parse(line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {_shown(line)}") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"not an object: {_shown(line)}")
    return data


def _build(data: dict[str, Any], kinds: Container[str], number: object) -> Any:
    owner = number if isinstance(number, int) else None
    kind = data.pop("kind", None)
    if not isinstance(kind, str) or kind not in kinds:
        raise ProtocolError(f"unknown kind {kind!r}", owner)
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ProtocolError(f"{kind}: {place}: {fault['msg']}", owner) from error
    except SiriusError as error:
        raise ProtocolError(f"{kind}: {error}", owner) from error


def _happened(data: dict[str, Any]) -> Happened:
    number, event = data.get("question"), data.get("event")
    if not isinstance(number, int):
        raise ProtocolError("happened: question: not a number")
    try:
        return Happened(number, event_from_json(event if isinstance(event, dict) else {}))
    except ValueError as error:
        raise ProtocolError(f"happened: not an event: {str(event)[:_SHOWN]}", number) from error


def _shown(line: bytes) -> str:
    return ascii(line[:_SHOWN].decode(errors="replace"))


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[kind])
