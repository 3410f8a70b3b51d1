"""A quantised copy on disk: one safetensors file for the head and for each layer, in a folder of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sirius_cli.engine.drafts.quantised import CopyFormat, DraftCopy, LayerCopy, layer_losses, native_of, row_shapes
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.engine.weights import allocate
from sirius_cli.errors import ModelError
from sirius_kernels.contracts import ContractError
from sirius_kernels.quant.matrix import ByOutput, QuantMatrix
from sirius_kernels.quant.rounding import relative_error

_HEAD: Final = "head"
_LAYER: Final = ("qkv", "out", "gate_up", "down_t")


def write_copy(
    folder: Path, weights: DecoderWeights, copy: DraftCopy, done: Callable[[int], None]
) -> dict[str, list[float]]:
    """Write every part of ``copy``, which is one of ``weights``, into ``folder`` as it is made.

    ``done`` is told how many layers are there. Gives what rounding lost, by kind of matrix and layer: the root of the
    squared error over the squared weights.
    """
    losses = {_HEAD: [relative_error(native_of(weights.head), copy.head)]}
    save_file(_tensors({_HEAD: copy.head}), _file(folder, _HEAD))
    for number, (native, layer) in enumerate(zip(weights.layers, copy.layers, strict=True)):
        save_file(_tensors({name: _rows(getattr(layer, name)) for name in _LAYER}), _file(folder, number))
        for name, loss in zip(_LAYER, layer_losses(native, layer), strict=True):
            losses.setdefault(name, []).append(loss)
        done(number + 1)
    return losses


def read_copy(folder: Path, weights: DecoderWeights, found: CopyFormat) -> DraftCopy:
    """The copy in ``folder``, which is one of ``weights``; read into memory at once.

    Raises ``ModelError`` where it is torn or not such a copy.
    """
    device = weights.head.device
    try:
        (head,) = _read(_file(folder, _HEAD), {_HEAD: tuple(weights.head.shape)}, found, device)
        layers = [
            _read_layer(_file(folder, number), layer, found, device) for number, layer in enumerate(weights.layers)
        ]
    except (OSError, SafetensorError, ContractError) as error:
        raise ModelError(f"the quantised copy in {folder} cannot be used: {error}") from error
    return DraftCopy(head, layers)


def _file(folder: Path, part: str | int) -> Path:
    return folder / (f"{part}.safetensors" if isinstance(part, str) else f"layer-{part:03d}.safetensors")


def _rows(matrix: QuantMatrix | ByOutput) -> QuantMatrix:
    return matrix.rows if isinstance(matrix, ByOutput) else matrix


def _tensors(matrices: dict[str, QuantMatrix]) -> dict[str, torch.Tensor]:
    tensors = {f"{name}.codes": matrix.codes for name, matrix in matrices.items()}
    return tensors | {f"{name}.scales": matrix.scales for name, matrix in matrices.items()}


def _read_layer(path: Path, layer: LayerWeights, found: CopyFormat, device: torch.device) -> LayerCopy:
    shapes = dict(zip(_LAYER, row_shapes(layer, found), strict=True))
    qkv, out, gate_up, down = _read(path, shapes, found, device)
    return LayerCopy(qkv, out, gate_up, down if found.by_neuron else ByOutput(down))


def _read(
    path: Path, shapes: dict[str, tuple[int, ...]], found: CopyFormat, device: torch.device
) -> Iterator[QuantMatrix]:
    """The matrices of those names and ``shapes``."""
    with safe_open(path, framework="pt") as tensors:
        for name, shape in shapes.items():
            codes, scales = (_in_memory(tensors.get_tensor(f"{name}.{part}"), device) for part in ("codes", "scales"))
            matrix = QuantMatrix(codes, scales, found.bits, found.group)
            if matrix.shape != shape:
                raise ContractError(f"{name} has shape {matrix.shape}, expected {shape}")
            yield matrix


def _in_memory(mapped: torch.Tensor, device: torch.device) -> torch.Tensor:
    return allocate(tuple(mapped.shape), mapped.dtype, device).copy_(mapped)
