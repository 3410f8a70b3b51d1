"""Problems in a JSON Lines file, compressed or not: one object a line, each knowing its line."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sirius_cli.errors import ModelError

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a file; ``place`` is ``file:line``."""

    place: str
    values: dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """All objects of ``path``; empty lines do not count.

    Raises:
        ModelError: if it cannot be read, a line is no JSON object, or there is none.
    """
    try:
        with _opened(path) as file:
            records = list(_records(path, file))
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", "check the file"
        ) from error
    if not records:
        raise ModelError(f"{path} holds no problem", "give a file with one JSON object a line")
    return records


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if compressed else path.open("rb")


def _records(path: Path, lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Record(f"{path}:{number}", _object(f"{path}:{number}", line))


def _object(place: str, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or getattr(error, "reason", None) or "nested too deeply"
        raise ModelError(f"{place}: not JSON: {reason}", "give one JSON object a line") from error
    if not isinstance(value, dict):
        raise ModelError(f"{place}: not a JSON object", "give one JSON object a line")
    return value
