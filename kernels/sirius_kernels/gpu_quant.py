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


@triton.jit
def codes_product(  # type: ignore[no-untyped-def]
    words, scales, x, begin, live, depth, k, BITS: tl.constexpr, SHIFT: tl.constexpr, BLOCK_K: tl.constexpr
):  # fmt: skip
    """Codes from column ``k`` on times the only token ``x``, each 32-bit word of codes summed up: ``fp32[U, words]``.

    A code becomes an fp32 by being put into the leading bits of a mantissa, which takes one shift and one logical
    operation: with exponent 4 (or 8) the number is the code plus 24 (or 384). What that adds is taken off the sums.
    """
    lanes: tl.constexpr = 32 // BITS
    raised: tl.constexpr = 24.0 if BITS == 4 else 384.0
    ones: tl.constexpr = 0x41800000 if BITS == 4 else 0x43800000
    flip: tl.constexpr = 0 if BITS == 4 else 0x80808080  # signed bytes become bytes that are raised by 128
    word = k // lanes + tl.arange(0, BLOCK_K // lanes)
    inside = word < depth // lanes
    both = live[:, None] & inside[None, :]
    codes = tl.load(words + begin[:, None] // lanes + word[None, :], mask=both, other=0).to(tl.uint32, bitcast=True)
    sums = tl.zeros((live.shape[0], BLOCK_K // lanes), tl.float32)
    added = tl.zeros((BLOCK_K // lanes,), tl.float32)
    for lane in tl.static_range(lanes):
        column = word // 4 * 32 + word % 4 + 4 * lane if BITS == 4 else 4 * word + lane
        values = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
        if BITS * lane < 23 - BITS:
            shifted = (codes ^ flip) << (23 - BITS - BITS * lane)
        else:
            shifted = (codes ^ flip) >> (BITS * lane - (23 - BITS))
        numbers = ((shifted & (((1 << BITS) - 1) << (23 - BITS))) | ones).to(tl.float32, bitcast=True)
        sums += numbers * values[None, :]
        added += values
    sums -= raised * added[None, :]
    group = (begin // 32 >> SHIFT)[:, None] + (word // (32 // lanes) >> SHIFT)[None, :]
    return sums * tl.load(scales + group, mask=both, other=0.0).to(tl.float32)


def words_of(weight: Weight) -> torch.Tensor:
    """The codes as ``int32``; native weights as they are."""
    return weight.codes.view(torch.int32) if isinstance(weight, QuantMatrix) else weight


def stored(weight: Weight) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """What :func:`load_weights` takes: weights, scales (or anything), bits and shift."""
    if isinstance(weight, QuantMatrix):
        return weight.codes, weight.scales, weight.bits, (weight.group // 32).bit_length() - 1
    return weight, weight, 8 * weight.element_size(), 0
