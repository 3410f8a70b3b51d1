"""The header of a GGUF file: enough of it to refuse a broken file at once and to plan the conversion.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The weights are transformers' business.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from sirius_cli.errors import ModelError

Scalar = int | float | bool | str
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MAX_DIMENSIONS = 4
_ALIGNMENT = 32  # bytes, unless the file says otherwise
_FETCH_AGAIN = "fetch or copy it again"


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """``metadata`` has the scalar entries only; ``parameters`` counts the elements of all tensors."""

    metadata: dict[str, Scalar]
    parameters: int

    def ids(self, *names: str) -> list[int]:
        """The token ids of these entries of ``tokenizer.ggml.``, each once; absent ones are left out."""
        values = (self.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in names)
        return list(dict.fromkeys(value for value in values if isinstance(value, int)))


def read_gguf_header(path: Path) -> GgufHeader:
    """Read and check ``path``.

    Raises:
        ModelError: the file cannot be read, is no GGUF of a known version, is damaged, or is shorter than its
            header says.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(f"{path} is no GGUF file: it does not start with GGUF", _FETCH_AGAIN)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(_Cursor(data, 4))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", _FETCH_AGAIN) from error
    except (struct.error, ValueError, KeyError, ZeroDivisionError, OverflowError) as error:
        reason = str(error) if isinstance(error, _DamageError) else "its header is damaged"
        raise ModelError(f"{path} is a corrupt GGUF file: {reason}", _FETCH_AGAIN) from error


class _DamageError(ValueError):
    """The reason why the bytes make no sense."""


@dataclass(slots=True)
class _Cursor:
    data: mmap.mmap
    offset: int

    def number(self, code: str) -> int | float | bool:
        (value,) = struct.unpack_from(code, self.data, self.offset)
        self.offset += struct.calcsize(code)
        return value  # type: ignore[no-any-return]

    def count(self, code: str = "<Q") -> int:
        return int(self.number(code))

    def string(self) -> str:
        length = self.count()
        start = self.skip(length)
        return self.data[start : self.offset].decode("utf-8", errors="replace")

    def skip(self, length: int) -> int:
        start, self.offset = self.offset, self.offset + length
        if self.offset > len(self.data):
            raise _DamageError("it is truncated")
        return start


def _parse(cursor: _Cursor) -> GgufHeader:
    version = cursor.count("<I")
    if version not in _VERSIONS:
        raise _DamageError(f"version {version} is not one of {', '.join(map(str, _VERSIONS))}")
    tensor_count, entry_count = cursor.count(), cursor.count()
    metadata: dict[str, Scalar] = {}
    for _ in range(entry_count):
        key = cursor.string()
        value = _value(cursor, cursor.count("<I"))
        if value is not None:
            metadata[key] = value
    parameters, end = _tensors(cursor, tensor_count)
    alignment = int(metadata.get("general.alignment", _ALIGNMENT))
    needed = math.ceil(cursor.offset / alignment) * alignment + end
    if needed > len(cursor.data):
        raise _DamageError(f"it is truncated: {len(cursor.data)} bytes of {needed}")
    if "general.architecture" not in metadata or not tensor_count:
        raise _DamageError("it names no architecture or has no tensors")
    return GgufHeader(metadata, parameters)


def _value(cursor: _Cursor, kind: int) -> Scalar | None:
    if kind == _STRING:
        return cursor.string()
    if kind == _ARRAY:
        _skip_array(cursor)
        return None
    return cursor.number(_SCALARS[kind])


def _skip_array(cursor: _Cursor) -> None:
    kind, count = cursor.count("<I"), cursor.count()
    if kind != _STRING:
        cursor.skip(struct.calcsize(_SCALARS[kind]) * count)
        return
    for _ in range(count):
        cursor.skip(cursor.count())


def _tensors(cursor: _Cursor, count: int) -> tuple[int, int]:
    """All elements, and where the last tensor ends, in bytes from the start of the data."""
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    parameters = end = 0
    for _ in range(count):
        cursor.string()
        dimensions = cursor.count("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise _DamageError(f"a tensor has {dimensions} dimensions")
        elements = math.prod(cursor.count() for _ in range(dimensions))
        block, block_bytes = sizes[cursor.count("<I")]
        parameters += elements
        end = max(end, cursor.count() + elements // block * block_bytes)
    return parameters, end
