"""A quantised copy on disk: one safetensors file for the head and for each layer, in a folder of their own."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sirius_cli.engine.drafts.making import Part
from sirius_cli.engine.drafts.quantised import CopyFormat, DraftCopy, LayerCopy, row_shapes
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.engine.weights import allocate
from sirius_cli.errors import ModelError
from sirius_kernels.contracts import ContractError
from sirius_kernels.quant.matrix import QuantMatrix

_HEAD: Final = "head"
_LAYER: Final = ("qkv", "out", "gate_up", "down_t")


def write_copy(folder: Path, parts: Iterable[Part], done: Callable[[int], None]) -> dict[str, list[float]]:
    """Write the ``parts`` of a copy into ``folder``, each as soon as it is made.

    ``done`` is told how many bytes are there. Gives what rounding lost, by kind of matrix and layer.
    """
    losses: dict[str, list[float]] = {}
    written = 0
    for number, part in enumerate(parts):
        save_file(_tensors(part), _file(folder, _HEAD if _HEAD in part else number))
        for name, rounded in part.items():
            losses.setdefault(name, []).append(rounded.loss)
            written += rounded.matrix.nbytes
        done(written)
    return losses


def read_copy(folder: Path, weights: DecoderWeights, found: CopyFormat) -> DraftCopy:
    """The copy in ``folder``, which is one of ``weights``; read into memory at once.

    Raises ``ModelError`` where it is torn or not such a copy.
    """
    device = weights.head.device
    try:
        (head,) = _read(_file(folder, _HEAD), {_HEAD: tuple(weights.head.shape)}, found, device)
        layers = tuple(
            _read_layer(_file(folder, number), layer, found, device) for number, layer in enumerate(weights.layers)
        )
    except (OSError, SafetensorError, ContractError) as error:
        raise ModelError(f"the quantised copy in {folder} cannot be used: {error}") from error
    return DraftCopy(head, layers)


def _file(folder: Path, part: str | int) -> Path:
    return folder / (f"{part}.safetensors" if isinstance(part, str) else f"layer-{part:03d}.safetensors")


def _tensors(part: Part) -> dict[str, torch.Tensor]:
    matrices = {name: rounded.matrix for name, rounded in part.items()}
    tensors = {f"{name}.codes": matrix.codes for name, matrix in matrices.items()}
    return tensors | {f"{name}.scales": matrix.scales for name, matrix in matrices.items()}


def _read_layer(path: Path, layer: LayerWeights, found: CopyFormat, device: torch.device) -> LayerCopy:
    shapes = dict(zip(_LAYER, row_shapes(layer, found), strict=True))
    return LayerCopy.of(found, *_read(path, shapes, found, device))


def _read(
    path: Path, shapes: dict[str, tuple[int, ...]], found: CopyFormat, device: torch.device
) -> Iterator[QuantMatrix]:
    """The matrices of those names and ``shapes``."""
    with safe_open(path, framework="pt") as tensors:
        for name, shape in shapes.items():
            codes, scales = (_in_memory(tensors.get_tensor(f"{name}.{part}"), device) for part in ("codes", "scales"))
            matrix = QuantMatrix(codes, scales, found.bits_of(name), found.group)
            if matrix.shape != shape:
                raise ContractError(f"{name} has shape {matrix.shape}, expected {shape}")
            yield matrix


def _in_memory(mapped: torch.Tensor, device: torch.device) -> torch.Tensor:
    return allocate(tuple(mapped.shape), mapped.dtype, device).copy_(mapped)
