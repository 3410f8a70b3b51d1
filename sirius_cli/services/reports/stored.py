"""JSON documents with a schema version, read back with care: what is on disk may be cut off, forged or newer."""

import json
import math
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sirius_cli.errors import ModelError

_T = TypeVar("_T")
_LARGEST = 2**53  # up to here every whole number is a float too
_DEEPEST = 20


def read(path: Path) -> Any:
    """The JSON in the file ``path``.

    Raises:
        ModelError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check the file and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON", "it is cut off or was changed by hand") from error


def parsed(adapter: TypeAdapter[_T], data: object, version: int, name: str) -> _T:
    """What ``data`` says, without its ``schema_version``, which must be ``version``. ``name`` is for messages.

    Raises:
        ModelError: it is broken, or of another schema.
    """
    if not isinstance(data, dict) or "schema_version" not in data:
        raise ModelError(f"{name} is broken: it has no schema_version", "only what sirius has written can be read")
    if (found := data["schema_version"]) != version:
        message = f"{name} has schema_version {found!r}, this program reads {version}"
        raise ModelError(message, "read it with the sirius that wrote it")
    _check_numbers(data, name)
    try:
        return adapter.validate_python({key: value for key, value in data.items() if key != "schema_version"})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ModelError(f"{name} is broken at {place}: {fault['msg']}") from error


def _check_numbers(value: object, name: str, depth: int = 0) -> None:
    """Raises ModelError on numbers that break arithmetic, and on nesting that no document of ours has."""
    if depth > _DEEPEST:
        raise ModelError(f"{name} is broken: it is nested too deeply")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_numbers(part, name, depth + 1)
    elif (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > _LARGEST):
        raise ModelError(f"{name} is broken: it holds a number out of range")
