"""The copies of a model's weights that drafts read in fewer bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

import torch

from sirius_cli.core.profile import MATRICES as PROFILE_NAMES
from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.drafts.policy import WeightSizes
from sirius_cli.engine.memory import free_bytes
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_kernels.contracts import ContractError
from sirius_kernels.quant.matrix import GROUPS, Bits, ByOutput, QuantMatrix, check_depth, divides

_BITS: Final[dict[str, Bits]] = {"int8": 8, "int4": 4}
_SCALE_BYTES: Final = torch.bfloat16.itemsize
MATRICES: Final = ("head", "qkv", "out", "gate_up", "down_t")
"""What a copy has, once and then in each layer."""
WITHOUT_COPY: Final = "do without a copy: --draft-precision native, or --profile sirius"
"""A copy may be the default's: whoever cannot have it needs something to type."""


@dataclass(frozen=True, slots=True)
class CopyFormat:
    """How a copy keeps its weights: ``bits`` for each, and a scale for every ``group``.

    ``by_neuron``: a step may skip neurons. Else the down projection lies by its outputs, which is faster to read.
    ``int8`` names matrices, as :class:`LayerCopy` and :class:`DraftCopy` do, that have 8 bits whatever the others have.
    """

    bits: Bits
    group: int
    by_neuron: bool = True
    int8: tuple[str, ...] = ()

    def bits_of(self, matrix: str) -> Bits:
        """Of a weight of that matrix."""
        return 8 if matrix in self.int8 else self.bits

    def bytes_of(self, matrix: str) -> float:
        """Of a weight of that matrix, its part of the scale included."""
        return self.bits_of(matrix) / 8 + _SCALE_BYTES / self.group


@dataclass(frozen=True, slots=True)
class LayerCopy:
    """The matrices of one layer, quantised."""

    qkv: QuantMatrix
    out: QuantMatrix
    gate_up: QuantMatrix
    down_t: QuantMatrix | ByOutput

    @classmethod
    def of(
        cls, found: "CopyFormat", qkv: QuantMatrix, out: QuantMatrix, gate_up: QuantMatrix, down_t: QuantMatrix
    ) -> Self:
        """A layer of a copy in the format ``found``; all matrices as they are stored, by their rows."""
        return cls(qkv, out, gate_up, down_t if found.by_neuron else ByOutput(down_t))


@dataclass(frozen=True, slots=True)
class DraftCopy:
    """The matrices of a model, quantised."""

    head: QuantMatrix
    layers: tuple[LayerCopy, ...]


CopyMaker = Callable[[Decoder, CopyFormat], DraftCopy]


def format_of(spec: DraftSpec) -> CopyFormat | None:
    """How drafts of ``spec`` read weights; None: as they are."""
    if spec.precision == "native":
        return None
    named = spec.int8.split("+") if spec.precision == "int4" and spec.int8 else []
    kept = tuple(matrix for name, matrix in zip(PROFILE_NAMES, MATRICES, strict=True) if name in named)
    return CopyFormat(_BITS[spec.precision], spec.group, int8=kept)


def sizes_of(spec: DraftSpec, itemsize: int) -> WeightSizes:
    """Those of weights as drafts of ``spec`` read them, where a native one takes ``itemsize`` bytes."""
    found = format_of(spec)
    return WeightSizes() if found is None else WeightSizes(*(found.bytes_of(name) / itemsize for name in MATRICES))


def copy_bytes(found: CopyFormat, counts: ParameterCounts) -> int:
    """Memory that a copy takes."""
    of_layer = (counts.qkv, counts.out, counts.gate + counts.up, counts.down)
    weights = (counts.head, *(counts.layers * count for count in of_layer))
    return int(sum(count * found.bytes_of(name) for name, count in zip(MATRICES, weights, strict=True)))


def row_shapes(layer: LayerWeights, found: CopyFormat) -> tuple[tuple[int, ...], ...]:
    """The shapes of what :class:`LayerCopy` has rows of, in its order."""
    qkv, out, gate_up, down = (tuple(m.shape) for m in (layer.qkv, layer.out, layer.mlp.gate_up, layer.mlp.down_t))
    return qkv, out, gate_up, down if found.by_neuron else down[::-1]


def stored_bytes(weights: DecoderWeights, found: CopyFormat) -> int:
    """Memory and disk that a copy of ``weights`` takes."""
    shapes = (tuple(weights.head.shape), *row_shapes(weights.layers[0], found))
    each = [math.prod(shape) * found.bytes_of(name) for name, shape in zip(MATRICES, shapes, strict=True)]
    return int(each[0] + sum(each[1:]) * len(weights.layers))


def expect_memory(counts: ParameterCounts, spec: DraftSpec, itemsize: int, device: torch.device) -> None:
    """Raise ``EnvironmentProblem`` unless a model of ``itemsize`` bytes a weight fits ``device``.

    With the copy that drafts of ``spec`` read.
    """
    native, found = counts.total * itemsize, format_of(spec)
    copy = 0 if found is None else copy_bytes(found, counts)
    if native + copy > (free := free_bytes(device)):
        parts = f"{native / 1e9:.1f} GB" + (f" and {copy / 1e9:.1f} GB for the {spec.precision} copy" if copy else "")
        raise EnvironmentProblem(
            f"the weights need {parts} of memory on {device}, of which {free / 1e9:.1f} GB are free",
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


class Drafters:
    """The models that drafts run: the native one, and those over copies, made by ``maker`` when first asked for."""

    def __init__(self, native: Decoder, maker: CopyMaker) -> None:
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
            self._copies[found] = over(self._native, self.maker(self._native, found))
        return self._copies[found]


def over(native: Decoder, copy: DraftCopy) -> Decoder:
    """``native`` with the matrices of ``copy``."""
    layers = [_with(layer, part) for layer, part in zip(native.weights.layers, copy.layers, strict=True)]
    weights = replace(native.weights, head=copy.head, layers=tuple(layers))
    return Decoder(native.config, weights, native.ops)


def _with(layer: LayerWeights, copy: LayerCopy) -> LayerWeights:
    """``layer`` with the matrices of ``copy``. Norms and biases are the native ones."""
    mlp = replace(layer.mlp, gate_up=copy.gate_up, down_t=copy.down_t)
    return replace(layer, qkv=copy.qkv, out=copy.out, mlp=mlp)


def _hint(weights: DecoderWeights) -> str:
    depths = _depths(weights, CopyFormat(4, GROUPS[0]))
    fitting = [group for group in reversed(GROUPS) if all(divides(depth, group) for depth in depths)]
    return f"give --draft-group {fitting[0]}" if fitting else WITHOUT_COPY


def _depths(weights: DecoderWeights, found: CopyFormat) -> list[int]:
    return [shape[-1] for shape in (tuple(weights.head.shape), *row_shapes(weights.layers[0], found))]
