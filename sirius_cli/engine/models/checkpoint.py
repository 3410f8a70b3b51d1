"""A folder of safetensors: what it holds, read one tensor at a time by mmap."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from sirius_cli.errors import ModelError

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLED = ("*.bin", "*.pt", "*.pth")
_DTYPES = ("F64", "F32", "F16", "BF16")

ReadTensor = Callable[[str], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``files`` says where each tensor is; ``shapes`` and ``dtypes`` (safetensors' names) come from the headers."""

    files: dict[str, Path]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]

    @classmethod
    def open(cls, folder: Path) -> "Checkpoint":
        """Read the headers. Raises ``ModelError`` where files are missing, damaged or pickled."""
        files: dict[str, Path] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        dtypes: dict[str, str] = {}
        for path in _weight_files(folder):
            with _opened(path) as tensors:
                for name in tensors.keys():  # noqa: SIM118 (the handle is no mapping)
                    header = tensors.get_slice(name)
                    files[name] = path
                    shapes[name] = tuple(header.get_shape())
                    dtypes[name] = header.get_dtype()
        return cls(files, shapes, dtypes)

    @contextmanager
    def reader(self) -> Iterator[ReadTensor]:
        """Give a function that maps one tensor by name. Leaving unmaps what was read, so leave often."""
        with ExitStack() as stack:
            handles: dict[Path, Any] = {}

            def read(name: str) -> torch.Tensor:
                path = self.files[name]
                if path not in handles:
                    handles[path] = stack.enter_context(_opened(path))
                tensor: torch.Tensor = handles[path].get_tensor(name)
                return tensor

            yield read


def check_tensors(checkpoint: Checkpoint, wanted: dict[str, tuple[int, ...]], ignored: tuple[str, ...]) -> None:
    """Raise ``ModelError`` naming tensors that are missing, misshapen, of a wrong dtype, or not the model's.

    Extra tensors whose names end in one of ``ignored`` are let pass.
    """
    have = checkpoint.shapes
    extra = [name for name in have if name not in wanted and not name.endswith(ignored)]
    misshapen = [
        f"{name} {list(have[name])} instead of {list(shape)}"
        for name, shape in wanted.items()
        if name in have and have[name] != shape
    ]
    foreign = [
        f"{name} {checkpoint.dtypes[name]}"
        for name in wanted
        if name in have and checkpoint.dtypes[name] not in _DTYPES
    ]
    faults = {
        "missing": [name for name in wanted if name not in have],
        "misshapen": misshapen,
        "of a type that is not supported": foreign,
        "unexpected": extra,
    }
    found = [f"{len(names)} tensors {fault} ({_some(names)})" for fault, names in faults.items() if names]
    if found:
        raise ModelError(f"the weights do not fit config.json: {', '.join(found)}", "fetch the model again")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _INDEX).is_file():
        return _shards(folder / _INDEX)
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        raise ModelError(
            f"{folder} has only pickled weights ({_some(pickled)}), which can run code when opened",
            "use a safetensors copy of the model",
        )
    raise ModelError(f"{folder} has no weights ({_SINGLE} or {_INDEX})", "fetch the model again")


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} is damaged: {error}", "fetch the model again") from error
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise ModelError(f"{index} points outside its folder ({_some(outside)})", "fetch the model from its source")
    return [index.parent / name for name in names]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt", device="cpu") as tensors:
            yield tensors
    except SafetensorError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path} is damaged or cut short: {reason}", "fetch the model again") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise ModelError(f"{path} cannot be read: {reason}", "fetch the model again") from error
