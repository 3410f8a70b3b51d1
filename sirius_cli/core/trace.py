"""A recorded run: one JSON object a line, the header first, then every event as it happened."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import TypeAdapter, ValidationError

from sirius_cli.core.events import EVENT_TYPES, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import SamplingSpec
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError

SCHEMA_VERSION = 1
_HEADER = "header"


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """What a run was: enough to repeat it. ``versions`` maps a package (or "python") to its version."""

    model: str
    device: str
    profile: Profile
    origins: dict[str, str] = field(default_factory=dict)
    sampling: SamplingSpec = field(default_factory=SamplingSpec)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that was read. ``damage`` says where it broke off, if it did; ``events`` are those before."""

    header: TraceHeader
    events: tuple[StepEvent, ...]
    damage: str | None


def event_to_json(event: StepEvent) -> dict[str, Any]:
    """The event as plain JSON data, its kind under ``event``."""
    return {"event": event.kind, **asdict(event)}


def event_from_json(data: Mapping[str, Any]) -> StepEvent:
    """The inverse of ``event_to_json``. Raises ValueError on data that is no event."""
    fields = dict(data)
    kind = fields.pop("event", None)
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        raise ValueError(f"unknown event {kind!r}")
    return _adapter(kind).validate_python(fields)


def header_to_json(header: TraceHeader) -> dict[str, Any]:
    """The header as plain JSON data, in the shape of a trace's first line."""
    return {
        "event": _HEADER,
        "schema_version": SCHEMA_VERSION,
        "model": header.model,
        "device": header.device,
        "profile": header.profile.model_dump(),
        "origins": header.origins,
        "sampling": asdict(header.sampling),
        "versions": header.versions,
    }


class TraceWriter:
    """Records events into a file, each flushed at once: a run that dies leaves a readable trace.

    Raises UsageError where the file cannot be opened, EnvironmentProblem where it cannot be written on.
    """

    def __init__(self, path: Path, header: TraceHeader) -> None:
        self._path = path
        self._header = header
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write the trace {self._path}: {error.strerror}", "name another file") from error
        self._write_line(header_to_json(self._header))
        return self

    def write(self, event: StepEvent) -> None:
        """Append one event. Only valid inside ``with``."""
        self._write_line(event_to_json(event))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # Every line was flushed when it was written, so whatever fails here has been reported already.
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _write_line(self, data: dict[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("the trace is not open")
        try:
            self._file.write(json.dumps(data) + "\n")
            self._file.flush()
        except OSError as error:
            message = f"cannot go on writing the trace {self._path}: {error.strerror}"
            raise EnvironmentProblem(message, "free some space or name another file") from error


def read_trace(path: Path) -> Trace:
    """Read a trace as far as it is sound.

    Raises ModelError where the file cannot be read, is no trace, or is of a newer schema than this program's.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ModelError(f"cannot read the trace {path}: {error.strerror}") from error
    header = _read_header(path, lines[0])
    events: list[StepEvent] = []
    damage = None
    for number, line in enumerate(lines[1:], start=2):
        if not line and number == len(lines):
            break
        try:
            events.append(event_from_json(_parse(line)))
        except ValueError:
            cut = " (cut off)" if number == len(lines) else ""
            damage = f"{path}:{number}: not an event{cut}; {len(events)} events before it are sound"
            break
    return Trace(header, tuple(events), damage)


def replay(
    trace: Trace,
    speed: float = 1.0,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StepEvent]:
    """Yield the events of ``trace`` when they happened, ``speed`` times as fast (``inf``: at once).

    Time that the consumer takes is not added. Raises UsageError where ``speed`` is not positive.
    """
    check_speed(speed)
    return _paced(trace.events, speed, sleep, clock)


def check_speed(speed: float) -> None:
    """Raises UsageError where ``speed`` is not positive."""
    if not speed > 0:
        raise UsageError(f"cannot replay at speed {speed:g}", "give a speed above 0")


def due_times(events: Iterable[StepEvent]) -> Iterator[float]:
    """Seconds from the start of a replay to each of ``events``; an answer begins when the one before it has ended."""
    start = latest = 0.0
    prefilled: set[int] = set()
    for event in events:
        if isinstance(event, Prefilled):
            if event.row in prefilled:
                start = latest
                prefilled.clear()
            prefilled.add(event.row)
        if not isinstance(event, Loaded):
            latest = max(latest, start + event.at)
        yield latest


def _paced(
    events: tuple[StepEvent, ...], speed: float, sleep: Callable[[float], None], clock: Callable[[], float]
) -> Iterator[StepEvent]:
    start = clock()
    for event, due in zip(events, due_times(events), strict=True):
        if (wait := start + due / speed - clock()) > 0:
            sleep(wait)
        yield event


def _read_header(path: Path, line: bytes) -> TraceHeader:
    try:
        data = _parse(line)
        if data.pop("event", None) != _HEADER:
            raise ValueError("no header")
        version = data.pop("schema_version")
    except (ValueError, KeyError) as error:
        raise ModelError(f"{path} is not a trace", "record one with --trace FILE") from error
    if version != SCHEMA_VERSION:
        raise ModelError(f"the trace {path} has schema_version {version!r}, this program reads {SCHEMA_VERSION}")
    try:
        return TypeAdapter(TraceHeader).validate_python(data)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ModelError(f"{path}:1: the header of the trace is broken at {place}: {fault['msg']}") from error


def _parse(line: bytes) -> dict[str, Any]:
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


@cache
def _adapter(kind: str) -> TypeAdapter[StepEvent]:
    return TypeAdapter(EVENT_TYPES[kind])
