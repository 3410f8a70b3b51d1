"""Weight rows as 4- or 8-bit integers, a scale for every group of neighbours in a row.

Round to nearest, symmetric: ``weight = code * scale``, codes of -8 to 7 or -127 to 127. A group never crosses rows, so
a row can be skipped, and what is read of it is one stretch of memory.

Rows of 8 bits lie in order. Rows of 4 bits lie in blocks of 64 as eight 32-bit words, each of which holds eight codes
of one half of the block, raised by 8: then shifting all words alike turns up eight codes at a time, four of either
half, in their places for a vector of eight lanes, and a vector of the halves' scales serves them all. This is the
*storage order*: place ``8 i + w`` of a block (nibble ``i`` of word ``w``) has weight ``32 (w // 4) + 4 i + w % 4``.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch

from sirius_kernels.contracts import ContractError, expect_contiguous, expect_dtype, expect_shape

Bits = Literal[4, 8]
GROUPS: Final = (32, 64, 128)
BLOCK: Final = 64  # weights of 4 bits that are stored together; rows are whole blocks
SHARING: Final = 32  # activations that share a scale where they are rounded: the half of a block
MIDDLE: Final = 8  # what raises a 4-bit code above zero
HIGHEST: Final = {4: 7, 8: 127}
LOWEST: Final = {4: -8, 8: -127}


@dataclass(frozen=True, slots=True)
class QuantMatrix:
    """Quantised rows ``[..., depth]``.

    ``codes`` is ``int8[..., depth]`` for 8 bits, ``int32[..., depth / 8]`` for 4; ``scales`` is
    ``bfloat16[..., depth / group]``.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    bits: Bits
    group: int

    def __post_init__(self) -> None:
        expect_dtype("codes", self.codes, torch.int8 if self.bits == 8 else torch.int32)
        expect_dtype("scales", self.scales, torch.bfloat16)
        expect_shape("scales", self.scales, *self.codes.shape[:-1], self.depth // self.group)
        check_depth(self.depth, self.group)

    @property
    def depth(self) -> int:
        """Weights in a row."""
        return self.codes.shape[-1] * (1 if self.bits == 8 else 8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights that it stands for."""
        return (*self.codes.shape[:-1], self.depth)

    @property
    def device(self) -> torch.device:
        return self.codes.device

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.scales.nbytes

    def dequantised(self, dtype: torch.dtype) -> torch.Tensor:
        """The weights that it stands for, ``dtype[..., depth]``."""
        codes = self.codes if self.bits == 8 else _unpacked(self.codes)
        grouped = codes.view(*self.scales.shape, self.group) * self.scales.float()[..., None]
        return grouped.view(self.shape).to(dtype)


@dataclass(frozen=True, slots=True)
class ByOutput:
    """A down projection by its outputs, ``rows[D, F]``: groups run along the neurons, so none of them can be skipped.

    Its products are dot products, which cost less than adding up scaled rows.
    """

    rows: QuantMatrix

    @property
    def shape(self) -> tuple[int, ...]:
        """``(F, D)``, as of the down projection by its neurons."""
        return self.rows.shape[::-1]

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes


HALVES: Final = (torch.bfloat16, torch.float16)
"""Dtypes of weights that fp32 activations may meet on a CPU: every number of theirs is one of fp32."""
Weight = torch.Tensor | QuantMatrix
"""What ops take for weights."""
Down = Weight | ByOutput
"""What they take for a down projection."""


def plain(weight: Weight, dtype: torch.dtype) -> torch.Tensor:
    """``weight`` as a tensor, for references."""
    return weight.dequantised(dtype) if isinstance(weight, QuantMatrix) else weight.to(dtype)


def expect_weight(name: str, weight: Weight, x: torch.Tensor, x_name: str = "x") -> None:
    """Refuse ``weight`` unless its rows lie one after another, and ``x`` unless it is of its dtype.

    Beside codes any will do, beside :data:`HALVES` fp32.
    """
    if isinstance(weight, QuantMatrix):
        expect_contiguous(f"{name}.codes", weight.codes)
        expect_contiguous(f"{name}.scales", weight.scales)
    else:
        if x.dtype is not torch.float32 or weight.dtype not in HALVES or x.device.type != "cpu":
            expect_dtype(x_name, x, weight.dtype)
        expect_contiguous(name, weight)


def check_depth(depth: int, group: int) -> None:
    """Raise ``ContractError`` unless rows of ``depth`` weights can have groups of ``group``."""
    if group not in GROUPS:
        raise ContractError(f"a group has {group} weights, expected {', '.join(map(str, GROUPS))}")
    if not divides(depth, group):
        raise ContractError(f"rows of {depth} weights do not divide into groups of {group} and blocks of {BLOCK}")


def divides(depth: int, group: int) -> bool:
    """Whether rows of ``depth`` weights can have groups of ``group``."""
    return depth % max(group, BLOCK) == 0


def packed(codes: torch.Tensor, scales: torch.Tensor, bits: Bits, group: int) -> QuantMatrix:
    """Store ``int8[..., depth]`` codes, each within ``LOWEST`` and ``HIGHEST`` of ``bits``, with their scales."""
    if bits == 8:
        return QuantMatrix(codes.contiguous(), scales.contiguous(), bits, group)
    raised = (codes.int() + MIDDLE).view(*codes.shape[:-1], -1, 2, SHARING // 4, 4)
    words = torch.zeros(*codes.shape[:-1], codes.shape[-1] // BLOCK, 2, 4, dtype=torch.int32, device=codes.device)
    for i in range(SHARING // 4):
        words |= raised[..., i, :] << 4 * i
    return QuantMatrix(words.flatten(-3), scales.contiguous(), bits, group)


def _unpacked(words: torch.Tensor) -> torch.Tensor:
    """``int32[..., depth / 8]`` -> codes ``int8[..., depth]`` in the order of the weights."""
    shifts = torch.arange(0, 32, 4, dtype=torch.int32, device=words.device).view(-1, 1)
    nibbles = words.view(*words.shape[:-1], -1, 2, 1, 4) >> shifts & 15  # [..., block, half, i, w % 4]
    return (nibbles - MIDDLE).to(torch.int8).flatten(-4)
