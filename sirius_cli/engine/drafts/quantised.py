"""The copies of a model's weights that drafts read in fewer bits."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import torch

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.device import Placement
from sirius_cli.engine.memory import free_bytes
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_kernels.contracts import ContractError
from sirius_kernels.quant.matrix import GROUPS, Bits, ByOutput, Down, QuantMatrix, Weight, check_depth, divides
from sirius_kernels.quant.rounding import quantised, relative_error

_BITS: Final[dict[str, Bits]] = {"int8": 8, "int4": 4}
_SCALE_BYTES: Final = torch.bfloat16.itemsize
WITHOUT_COPY: Final = "do without a copy: --draft-precision native, or --profile sirius"
"""A copy may be the default's: whoever cannot have it needs something to type."""


@dataclass(frozen=True, slots=True)
class CopyFormat:
    """How a copy keeps its weights: ``bits`` for each, and a scale for every ``group``.

    ``by_neuron``: a step may skip neurons. Else the down projection lies by its outputs, which is faster to read.
    """

    bits: Bits
    group: int
    by_neuron: bool = True

    @property
    def weight_bytes(self) -> float:
        """Bytes of a weight, its part of the scale included."""
        return self.bits / 8 + _SCALE_BYTES / self.group


@dataclass(frozen=True, slots=True)
class LayerCopy:
    """The matrices of one layer, quantised."""

    qkv: QuantMatrix
    out: QuantMatrix
    gate_up: QuantMatrix
    down_t: QuantMatrix | ByOutput


@dataclass(frozen=True, slots=True)
class DraftCopy:
    """The matrices of a model, quantised. ``layers`` may be made while they are gone through, once."""

    head: QuantMatrix
    layers: Iterable[LayerCopy]


CopyMaker = Callable[[DecoderWeights, CopyFormat], DraftCopy]


def format_of(spec: DraftSpec) -> CopyFormat | None:
    """How drafts of ``spec`` read weights; None: as they are."""
    return None if spec.precision == "native" else CopyFormat(_BITS[spec.precision], spec.group)


def size_of(spec: DraftSpec, itemsize: int) -> float:
    """Bytes of a matrix's weight as drafts of ``spec`` read it, over the ``itemsize`` of a native one."""
    found = format_of(spec)
    return 1.0 if found is None else found.weight_bytes / itemsize


def copy_bytes(found: CopyFormat, counts: ParameterCounts) -> int:
    """Memory that a copy takes."""
    return int(counts.matrices * found.weight_bytes)


def row_shapes(layer: LayerWeights, found: CopyFormat) -> tuple[tuple[int, ...], ...]:
    """The shapes of what :class:`LayerCopy` has rows of, in its order."""
    qkv, out, gate_up, down = (tuple(m.shape) for m in (layer.qkv, layer.out, layer.mlp.gate_up, layer.mlp.down_t))
    return qkv, out, gate_up, down if found.by_neuron else down[::-1]


def stored_bytes(weights: DecoderWeights, found: CopyFormat) -> int:
    """Memory and disk that a copy of ``weights`` takes."""
    each = sum(map(math.prod, row_shapes(weights.layers[0], found)))
    return int((math.prod(weights.head.shape) + each * len(weights.layers)) * found.weight_bytes)


def expect_memory(counts: ParameterCounts, spec: DraftSpec, placement: Placement) -> None:
    """Raise ``EnvironmentProblem`` unless a model fits ``placement``, with the copy that drafts of ``spec`` read."""
    native, found = counts.total * placement.dtype.itemsize, format_of(spec)
    copy = 0 if found is None else copy_bytes(found, counts)
    if native + copy > (free := free_bytes(placement.device)):
        parts = f"{native / 1e9:.1f} GB" + (f" and {copy / 1e9:.1f} GB for the {spec.precision} copy" if copy else "")
        raise EnvironmentProblem(
            f"the weights need {parts} of memory on {placement.device}, of which {free / 1e9:.1f} GB are free",
            f"close other programs, or {'use a smaller model or dtype' if native > free else WITHOUT_COPY}",
        )


def expect_room(weights: DecoderWeights, found: CopyFormat) -> None:
    """Raise ``EnvironmentProblem`` unless there is memory for a copy of ``weights``, which are in memory already."""
    needed, free = stored_bytes(weights, found), free_bytes(weights.head.device)
    if needed > free:
        raise EnvironmentProblem(
            f"an int{found.bits} copy of the weights needs {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} are free",
            f"close other programs, or {WITHOUT_COPY}",
        )


def expect_fit(weights: DecoderWeights, found: CopyFormat) -> None:
    """Raise ``UsageError`` unless every matrix divides into groups."""
    try:
        for depth in _depths(weights, found):
            check_depth(depth, found.group)
    except ContractError as error:
        raise UsageError(
            f"this model cannot be drafted with groups of {found.group}: {error}", _hint(weights)
        ) from error


def quantise(weights: DecoderWeights, found: CopyFormat) -> DraftCopy:
    """A :data:`CopyMaker` that rounds the weights themselves, a layer at a time."""

    def rounded(layer: LayerWeights) -> LayerCopy:
        qkv, out, gate_up = (_rounded(matrix, found) for matrix in (layer.qkv, layer.out, layer.mlp.gate_up))
        return LayerCopy(qkv, out, gate_up, _rounded_down(layer.mlp.down_t, found))

    return DraftCopy(_rounded(weights.head, found), map(rounded, weights.layers))


def layer_losses(layer: LayerWeights, copy: LayerCopy) -> tuple[float, ...]:
    """What rounding lost of each matrix of ``copy``: the root of the squared error over the squared weights."""
    native, down = native_of(layer.mlp.down_t), copy.down_t
    if isinstance(down, ByOutput):
        native, down = native.t(), down.rows
    natives = (*map(native_of, (layer.qkv, layer.out, layer.mlp.gate_up)), native)
    return tuple(map(relative_error, natives, (copy.qkv, copy.out, copy.gate_up, down)))


class Drafters:
    """The models that drafts run: the native one, and those over copies, made by ``maker`` when first asked for."""

    def __init__(self, native: Decoder, maker: CopyMaker = quantise) -> None:
        self.maker = maker
        self._native = native
        self._copies: dict[CopyFormat, Decoder] = {}

    def of(self, spec: DraftSpec) -> Decoder:
        """The model that drafts of ``spec`` run.

        Raises ``UsageError`` if its groups do not fit the model, ``EnvironmentProblem`` if memory has no room for it.
        """
        found = format_of(spec)
        if found is None:
            return self._native
        neurons = self._native.config.intermediate_size
        found = replace(found, by_neuron=spec.method != "dense" or not divides(neurons, found.group))
        if found not in self._copies:
            expect_fit(self._native.weights, found)
            expect_room(self._native.weights, found)
            self._copies[found] = self._over(self.maker(self._native.weights, found))
        return self._copies[found]

    def _over(self, copy: DraftCopy) -> Decoder:
        native = self._native
        layers = [_with(layer, part) for layer, part in zip(native.weights.layers, copy.layers, strict=True)]
        weights = replace(native.weights, head=copy.head, layers=tuple(layers))
        return Decoder(native.config, weights, native.ops)


def _with(layer: LayerWeights, copy: LayerCopy) -> LayerWeights:
    """``layer`` with the matrices of ``copy``. Norms and biases are the native ones."""
    mlp = replace(layer.mlp, gate_up=copy.gate_up, down_t=copy.down_t)
    return replace(layer, qkv=copy.qkv, out=copy.out, mlp=mlp)


def native_of(weight: Down) -> torch.Tensor:
    """A matrix of a model that is no copy."""
    assert isinstance(weight, torch.Tensor)
    return weight


@torch.inference_mode()
def _rounded(matrix: Weight, found: CopyFormat) -> QuantMatrix:
    return quantised(native_of(matrix), found.bits, found.group)


@torch.inference_mode()
def _rounded_down(down_t: Down, found: CopyFormat) -> QuantMatrix | ByOutput:
    native = native_of(down_t)
    return _rounded(native, found) if found.by_neuron else ByOutput(_rounded(native.t().contiguous(), found))


def _hint(weights: DecoderWeights) -> str:
    depths = _depths(weights, CopyFormat(4, GROUPS[0]))
    fitting = [group for group in reversed(GROUPS) if all(divides(depth, group) for depth in depths)]
    return f"give --draft-group {fitting[0]}" if fitting else WITHOUT_COPY


def _depths(weights: DecoderWeights, found: CopyFormat) -> list[int]:
    return [shape[-1] for shape in (tuple(weights.head.shape), *row_shapes(weights.layers[0], found))]
