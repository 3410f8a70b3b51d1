"""The header of a safetensors file: its tensors, and whether the file is whole. Needs no torch."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from sirius_cli.errors import ModelError

_MAX_HEADER = 100_000_000  # bytes; the limit of the format
_FETCH_AGAIN = "fetch or copy it again"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """``dtype`` in the spelling of safetensors, such as ``F32`` or ``BF16``."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of ``path`` by name.

    Raises:
        ModelError: the file cannot be read, is no safetensors file, or is shorter or longer than its header says.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            raw = file.read(length) if length <= min(_MAX_HEADER, size - 8) else b""
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", _FETCH_AGAIN) from error
    if not raw:
        raise ModelError(f"{path} is truncated or no safetensors file ({size} bytes)", _FETCH_AGAIN)
    tensors, end = _parse(raw, path)
    if size != 8 + length + end:
        fault = "is truncated" if size < 8 + length + end else "has bytes that its header does not name"
        raise ModelError(f"{path} {fault}: {size} bytes, its header asks for {8 + length + end}", _FETCH_AGAIN)
    return tensors


def _parse(raw: bytes, path: Path) -> tuple[dict[str, TensorInfo], int]:
    try:
        entries = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        tensors = {
            name: TensorInfo(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} has a broken safetensors header", _FETCH_AGAIN) from error
    return tensors, end
