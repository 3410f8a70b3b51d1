"""A model folder in the layout of transformers: is it complete, and what is in it. Needs no torch."""

import json
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sirius_cli.errors import ModelError
from sirius_cli.services.model_spec import PICKLED_REASON, PICKLED_SUFFIXES
from sirius_cli.services.safetensors_header import TensorInfo, read_header

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class NoWeightsError(ModelError):
    """The folder has no safetensors."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the files say. ``dtype`` is the one most parameters have; ``context`` is in tokens."""

    architecture: str
    model_type: str
    parameters: int
    dtype: str
    context: int | None
    size_bytes: int


def check_folder(folder: Path) -> None:
    """Make sure that ``folder`` has a config, whole safetensors and a tokenizer.

    Raises:
        ModelError: naming the first thing that is missing or broken.
    """
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        raise _no_weights(folder)
    read_config(folder)
    read_tensors(folder)
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise ModelError(f"{folder} has no tokenizer", "put the model's tokenizer.json into the folder")


def weights_identity(folder: Path) -> str:
    """Changes with the weights in ``folder``: names, sizes and times of their files, which costs no reading."""
    files = sorted(folder.glob("*.safetensors"))
    facts = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return sha256(json.dumps([str(folder.resolve()), facts]).encode()).hexdigest()


def read_facts(folder: Path) -> ModelFacts:
    """The facts of a folder that ``check_folder`` accepts."""
    config = read_config(folder)
    tensors = read_tensors(folder)
    dtypes: Counter[str] = Counter()
    for tensor in tensors.values():
        dtypes[tensor.dtype] += tensor.parameters
    commonest = dtypes.most_common(1)[0][0] if dtypes else ""
    return ModelFacts(
        architecture=str((config.get("architectures") or [""])[0]),
        model_type=str(config.get("model_type", "")),
        parameters=dtypes.total(),
        dtype=_DTYPES.get(commonest, commonest.lower()),
        context=_context(config),
        size_bytes=folder_size(folder),
    )


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` as a dict."""
    return _read_json(folder / "config.json", "a model folder needs its config.json")


def read_tensors(folder: Path) -> dict[str, TensorInfo]:
    """The tensors of all shards by name, after a check that every file is whole."""
    if not (folder / INDEX).is_file():
        return read_header(folder / WEIGHTS)
    weight_map = _read_json(folder / INDEX, "").get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{folder / INDEX} has no weight_map", "fetch or copy it again")
    headers = {shard: read_header(_shard(folder, shard)) for shard in sorted(set(map(str, weight_map.values())))}
    missing = next((name for name, shard in weight_map.items() if name not in headers[str(shard)]), None)
    if missing is not None:
        raise ModelError(f"{folder / str(weight_map[missing])} lacks the tensor {missing}", "fetch or copy it again")
    return {name: info for header in headers.values() for name, info in header.items()}


def folder_size(folder: Path) -> int:
    """Bytes of all files, links followed."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _no_weights(folder: Path) -> NoWeightsError:
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED_SUFFIXES)
    if pickled:
        return NoWeightsError(
            f"{folder} has no safetensors, only {pickled[0]}: {PICKLED_REASON}",
            "save the model again as safetensors",
        )
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    if ggufs:
        return NoWeightsError(f"{folder} has no safetensors", f"name the file itself: {folder / ggufs[0]}")
    return NoWeightsError(f"{folder} has no weights", f"it needs {WEIGHTS}, or {INDEX} and its shards")


def _read_json(path: Path, hint: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} has no {path.name}", hint) from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}", "fetch or copy it again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object", "fetch or copy it again")
    return value


def _shard(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise ModelError(f"{folder / INDEX} names {name!r}, which is not a file of the folder", "fetch it again")
    return folder / name


def _context(config: dict[str, Any]) -> int | None:
    text = config.get("text_config")
    nested = text.get("max_position_embeddings") if isinstance(text, dict) else None
    value = config.get("max_position_embeddings", nested)
    return value if isinstance(value, int) else None
