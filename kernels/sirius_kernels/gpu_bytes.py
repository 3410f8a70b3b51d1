"""Products of quantised rows with one token in eight bits, on a GPU that multiplies four bytes at a time (DP4A).

As on the CPU (``cpu_bytes.py``): turning every code into a number takes longer than fetching it, so activations become
bytes, every 32 with a scale of their own (ties go to even here), and sums of products are exact integers until they are
scaled.

A *part* of a row is the 32 codes that meet activations with one scale. It is meant for one thread, as two halves of
four words of four codes: of 8 bits neighbours as they lie, of 4 bits the even nibbles of its words and the odd ones.
"""

import triton
import triton.language as tl

from sirius_kernels.gpu_chain import follow


@triton.jit
def bytes_product(  # type: ignore[no-untyped-def]
    x, words, scales, begin, live, depth, BITS: tl.constexpr, SHIFT: tl.constexpr, ROWS: tl.constexpr,
    FRESH: tl.constexpr, CHAINED: tl.constexpr, OCTETS: tl.constexpr, BLOCK_K: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Rows that begin at ``begin`` (``int64[U]``), and with two ``ROWS`` those behind them, times the only token ``x``.

    Where codes lie is said in ``quant/matrix.py``; a scale is that of ``32 << SHIFT`` weights. ``OCTETS`` says whether
    the GPU multiplies bytes. The first codes are fetched while the kernel before still computes ``x``, unless what
    picks the rows is ``FRESH``. Two times ``fp32[U, 1]``; with one of ``ROWS`` the second is the first again.
    """
    early0, late0, scale0 = _codes(words, scales, begin, live, depth, 0, BITS, SHIFT, BLOCK_K)
    early1, late1, scale1 = early0, late0, scale0
    if ROWS == 2:
        early1, late1, scale1 = _codes(words, scales, begin + depth, live, depth, 0, BITS, SHIFT, BLOCK_K)
    if not FRESH:
        follow(CHAINED)
    first, second, size = _rounded(x, depth, 0, BITS, BLOCK_K)
    sum0 = _products(early0, late0, first, second, BITS, OCTETS) * (scale0 * size)
    sum1 = sum0
    if ROWS == 2:
        sum1 = _products(early1, late1, first, second, BITS, OCTETS) * (scale1 * size)
    for k in tl.range(BLOCK_K, depth, BLOCK_K, num_stages=STAGES):
        first, second, size = _rounded(x, depth, k, BITS, BLOCK_K)
        early0, late0, scale0 = _codes(words, scales, begin, live, depth, k, BITS, SHIFT, BLOCK_K)
        sum0 += _products(early0, late0, first, second, BITS, OCTETS) * (scale0 * size)
        if ROWS == 2:
            early1, late1, scale1 = _codes(words, scales, begin + depth, live, depth, k, BITS, SHIFT, BLOCK_K)
            sum1 += _products(early1, late1, first, second, BITS, OCTETS) * (scale1 * size)
    return tl.sum(sum0, 1)[:, None], tl.sum(sum1, 1)[:, None]


@triton.jit
def _codes(  # type: ignore[no-untyped-def]
    words, scales, begin, live, depth, k, BITS: tl.constexpr, SHIFT: tl.constexpr, BLOCK_K: tl.constexpr
):  # fmt: skip
    """The parts from column ``k`` on: words ``int32[U, parts, 4]``, those behind, and scales ``fp32[U, parts]``.

    Words of 4-bit codes have none behind them; these are the same again.
    """
    parts: tl.constexpr = BLOCK_K // 32
    part = k // 32 + tl.arange(0, parts)
    inside = live[:, None] & (part < depth // 32)[None, :]
    if BITS == 8:
        at = ((begin // 32)[:, None] + part[None, :])[:, :, None] * 8 + tl.arange(0, 4)[None, None, :]
        early = tl.load(words + at, mask=inside[:, :, None], other=0)
        late = tl.load(words + at + 4, mask=inside[:, :, None], other=0)
    else:  # in two dimensions, for which older Triton gives a thread neighbours too
        word = k // 8 + tl.arange(0, 4 * parts)
        both = live[:, None] & (word < depth // 8)[None, :]
        early = tl.load(words + (begin // 8)[:, None] + word[None, :], mask=both, other=0)
        early = early.reshape(live.shape[0], parts, 4)
        late = early
    place = (begin // 32 >> SHIFT)[:, None] + (part >> SHIFT)[None, :]
    return early, late, tl.load(scales + place, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _rounded(x, depth, k, BITS: tl.constexpr, BLOCK_K: tl.constexpr):  # type: ignore[no-untyped-def]
    """The token from element ``k`` on in bytes, for the two halves of each part: ``int32[parts, 4]``.

    Their scales are ``fp32[1, parts]``.
    """
    values0, values1 = _eight(x, depth, k, 0, BLOCK_K), _eight(x, depth, k, 1, BLOCK_K)
    values2, values3 = _eight(x, depth, k, 2, BLOCK_K), _eight(x, depth, k, 3, BLOCK_K)
    either, other = tl.maximum(tl.abs(values0), tl.abs(values1)), tl.maximum(tl.abs(values2), tl.abs(values3))
    largest = tl.max(tl.maximum(either, other), 1)
    factor = (127.0 / tl.maximum(largest, 1e-30))[:, None]
    bytes0, bytes1 = _bytes(values0, factor), _bytes(values1, factor)
    bytes2, bytes3 = _bytes(values2, factor), _bytes(values3, factor)
    if BITS == 8:
        first, second = _neighbours(bytes0, bytes1), _neighbours(bytes2, bytes3)
    else:
        packed = bytes0 | (bytes1 << 8) | (bytes2 << 16) | (bytes3 << 24)
        first, second = packed.reshape(packed.shape[0], 2, 4).permute(0, 2, 1).split()
    return first, second, (largest / 127.0)[None, :]


@triton.jit
def _eight(x, depth, k, quarter: tl.constexpr, BLOCK_K: tl.constexpr):  # type: ignore[no-untyped-def]
    """A quarter of every 32 elements from ``k`` on, ``fp32[parts, 8]``."""
    column = k + tl.arange(0, BLOCK_K // 32)[:, None] * 32 + 8 * quarter + tl.arange(0, 8)[None, :]
    return tl.load(x + column, mask=column < depth, other=0.0).to(tl.float32)


@triton.jit
def _bytes(values, factor):  # type: ignore[no-untyped-def]
    """``values`` times ``factor``, rounded: 1.5 times 2^23 and an integer is a number with the integer's last bits."""
    return (values * factor + 12582912.0).to(tl.int32, bitcast=True) & 255


@triton.jit
def _neighbours(early, late):  # type: ignore[no-untyped-def]
    """Bytes ``[parts, 8]`` and the eight behind them as four words ``[parts, 4]``."""
    parts: tl.constexpr = early.shape[0]
    place = 8 * tl.arange(0, 4)[None, None, :]
    words = tl.join(tl.sum(early.reshape(parts, 2, 4) << place, 2), tl.sum(late.reshape(parts, 2, 4) << place, 2))
    return words.permute(0, 2, 1).reshape(parts, 4)


@triton.jit
def _products(early, late, first, second, BITS: tl.constexpr, OCTETS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Every part times its activations, ``fp32[U, parts]``."""
    if BITS == 4:
        early, late = early & 0x0F0F0F0F, (late >> 4) & 0x0F0F0F0F
    sums = _dot4(early, first[None, :, :], tl.zeros(early.shape, tl.int32), OCTETS)
    sums = tl.sum(_dot4(late, second[None, :, :], sums, OCTETS), 2)
    if BITS == 4:  # these codes are stored raised by 8
        ones = tl.full(first.shape, 0x01010101, tl.int32)
        added = _dot4(second, ones, _dot4(first, ones, tl.zeros(first.shape, tl.int32), OCTETS), OCTETS)
        sums -= 8 * tl.sum(added, 1)[None, :]
    return sums.to(tl.float32)


@triton.jit
def _dot4(a, b, sums, OCTETS: tl.constexpr):  # type: ignore[no-untyped-def]
    """``sums`` and the products of four signed bytes of ``a`` with those of ``b``, element by element."""
    if OCTETS:
        sums = tl.inline_asm_elementwise(
            "dp4a.s32.s32 $0, $1, $2, $3;", "=r,r,r,r", [a, b, sums], dtype=tl.int32, is_pure=True, pack=1
        )
    else:
        places = 24 - 8 * tl.arange(0, 4)
        sums += tl.sum((a.expand_dims(-1) << places >> 24) * (b.expand_dims(-1) << places >> 24), -1)
    return sums
