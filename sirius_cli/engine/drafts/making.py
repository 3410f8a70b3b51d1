"""Making a copy: every matrix rounded, a layer at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import torch

from sirius_cli.engine.drafts.inputs import Inputs, inputs_on
from sirius_cli.engine.drafts.quantised import CopyFormat, DraftCopy, LayerCopy
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.models.layout import DecoderWeights
from sirius_kernels.contracts import Impl
from sirius_kernels.quant.feedback import quantised_for
from sirius_kernels.quant.matrix import Down, QuantMatrix
from sirius_kernels.quant.rounding import output_error, quantised, relative_error

_JUDGED: Final = 128  # tokens by which what rounding took from outputs is measured: more tell no more


@dataclass(frozen=True, slots=True)
class Rounded:
    """A matrix of a copy as it is stored.

    ``loss`` is the root of the squared error over that of the squares: of what the matrix gives for the inputs that it
    was rounded by, of the weights where it was rounded without.
    """

    matrix: QuantMatrix
    loss: float


Part = dict[str, Rounded]


def quantise(native: Decoder, found: CopyFormat) -> DraftCopy:
    """A :data:`~sirius_cli.engine.drafts.quantised.CopyMaker` that rounds weights without looking at inputs."""
    return copy_of(rounded_parts(native, found), found)


def rounded_parts(native: Decoder, found: CopyFormat, text: Sequence[int] = ()) -> Iterator[Part]:
    """The matrices of a copy of ``native``: those of every layer, by the names of :class:`LayerCopy`, then ``head``.

    With a ``text``, weights of 4 bits are rounded so that little is lost on it. 8 bits lose next to nothing as it is.
    """
    inputs: Iterable[Inputs] = inputs_on(native, text) if text and found.bits == 4 else repeat({})
    for matrices, given in zip(_natives(native.weights), inputs, strict=False):  # there may be inputs without an end
        yield {name: _rounded(name, matrix, found, given.get(name), native.ops.impl) for name, matrix in matrices}


def copy_of(parts: Iterable[Part], found: CopyFormat) -> DraftCopy:
    """The copy in the format ``found`` that those ``parts`` make."""
    *layers, outer = ({name: rounded.matrix for name, rounded in part.items()} for part in parts)
    return DraftCopy(outer["head"], tuple(LayerCopy.of(found, **layer) for layer in layers))


def _natives(weights: DecoderWeights) -> Iterator[list[tuple[str, torch.Tensor]]]:
    for layer in weights.layers:
        matrices = {"qkv": layer.qkv, "out": layer.out, "gate_up": layer.mlp.gate_up, "down_t": layer.mlp.down_t}
        yield [(name, _native(matrix)) for name, matrix in matrices.items()]
    yield [("head", _native(weights.head))]


def _native(weight: Down) -> torch.Tensor:
    assert isinstance(weight, torch.Tensor)
    return weight


@torch.inference_mode()
def _rounded(name: str, matrix: torch.Tensor, found: CopyFormat, inputs: torch.Tensor | None, impl: Impl) -> Rounded:
    if name == "down_t" and found.by_neuron:
        inputs = None  # its errors would have to be made up for by other neurons, which may be skipped
    elif name == "down_t":
        matrix = matrix.t().contiguous()
    if inputs is None or found.bits_of(name) == 8:
        rounded = quantised(matrix, found.bits_of(name), found.group, impl)
        return Rounded(rounded, relative_error(matrix, rounded))
    rounded = quantised_for(inputs, matrix, found.group, impl)
    rows = (weights.flatten(0, -2) for weights in (matrix, rounded.dequantised(matrix.dtype)))
    return Rounded(rounded, output_error(inputs[:_JUDGED], *rows))
