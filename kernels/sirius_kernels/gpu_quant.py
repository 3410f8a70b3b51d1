"""Loads of weights that may be quantised, on a GPU."""

import torch
import triton
import triton.language as tl

from sirius_kernels.quant.matrix import QuantMatrix, Weight


@triton.jit
def load_weights(weight, scales, begin, column, mask, BITS: tl.constexpr, SHIFT: tl.constexpr):  # type: ignore[no-untyped-def]
    """``column`` (``int32[1, K]``) of the rows that begin at ``begin`` (``int64[U, 1]``); 0 where ``mask`` is not.

    Native weights come in their own dtype, those of ``BITS`` 8 and 4 as fp32; a scale is that of ``32 << SHIFT``
    weights. Where codes lie is said in ``quant/matrix.py``: eight columns of a row lie in the same word. Rows are
    whole groups, so that all divisions are of columns alone.
    """
    if BITS == 8:
        codes = tl.load(weight + begin + column, mask=mask, other=0).to(tl.float32)
    elif BITS == 4:
        word = column // 64 * 8 + column % 64 // 32 * 4 + column % 4
        raised = tl.load(weight + begin // 8 + word, mask=mask, other=0) >> (column % 32 // 4 * 4)
        codes = ((raised & 15) - 8).to(tl.float32)
    else:
        codes = tl.load(weight + begin + column, mask=mask, other=0.0)
    if BITS <= 8:
        scale = tl.load(scales + (begin // 32 >> SHIFT) + (column // 32 >> SHIFT), mask=mask, other=0.0)
        codes *= scale.to(tl.float32)
    return codes


def words_of(weight: Weight) -> torch.Tensor:
    """The codes as ``int32``; native weights as they are."""
    return weight.codes.view(torch.int32) if isinstance(weight, QuantMatrix) else weight


def stored(weight: Weight) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """What :func:`load_weights` takes: weights, scales (or anything), bits and shift."""
    if isinstance(weight, QuantMatrix):
        return weight.codes, weight.scales, weight.bits, (weight.group // 32).bit_length() - 1
    return weight, weight, 8 * weight.element_size(), 0
