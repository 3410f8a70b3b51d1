"""Loops over quantised weight rows: they read the integers once and compute with them in fp32.

A 4-bit code becomes a number without a conversion: put into the upper bits of a mantissa whose exponent is that of 1,
code n is ``1 + n / 16``. The 16 goes into what it is multiplied by, the 1 (and the 8 by which codes are raised) is
taken off once for all weights that share a scale.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import LANES, Emitter
from sirius_kernels.cpu_math import bfloat16
from sirius_kernels.cpu_memory import NOTHING, address, floats, integers, octets, short_integers
from sirius_kernels.cpu_stream import ADD_ROWS
from sirius_kernels.quant.matrix import BLOCK, QuantMatrix, Weight

_NIBBLES: Final = 8  # of a word
_MANTISSA: Final = 19  # bits below a code
_ONE_BITS, _CODE_BITS = 0x3F800000, 15 << _MANTISSA
_UPPER_HALF = 0xFFFF0000  # of a word, where a bfloat16 is the fp32 of the same value
_OCTETS = BLOCK // 2 // LANES  # vectors of 8-bit codes in half a block
SPAN: Final = np.float32(16.0)  # between the number of a code and that of code + 16
ORIGIN: Final = np.float32(1.5)  # the number of the code that stands for 0
NATIVE: Final = 32  # bits of weights that are no codes
_F = np.float32


def stored(weight: Weight) -> tuple[int, int, int, int]:
    """What :func:`rows_at` takes: the addresses of the weights and of their scales, bits and shift."""
    if isinstance(weight, QuantMatrix):
        shift = (weight.group // 32).bit_length() - 1
        return address(weight.codes), address(weight.scales), weight.bits, shift
    return address(weight), NOTHING, NATIVE, 0


@njit(inline="always", error_model="numpy")
def rows_at(weight, scales, total, bits, shift):  # type: ignore[no-untyped-def]
    """The ``total`` weights at an address, in rows: what compiled code hands around as ``store``.

    ``(fp32, int32 words of 4-bit codes, int8 codes, int16 scales, bits, shift)``: ``bits`` tells which of the first
    three is meant; a scale is that of ``32 << shift`` weights.
    """
    return (
        floats(weight, total),
        integers(weight, total // 8),
        octets(weight, total),
        short_integers(scales, total // 32 >> shift),
        bits,
        shift,
    )


@njit
def in_storage_order(x, factor, out):  # type: ignore[no-untyped-def]
    """``out[depth]`` = ``x`` in the storage order of 4-bit rows (see :mod:`sirius_kernels.quant.matrix`)."""
    for base in range(0, x.shape[0], BLOCK):
        for i in range(_NIBBLES):
            for half in range(2):
                for lane in range(4):
                    out[base + 8 * i + 4 * half + lane] = x[base + 32 * half + 4 * i + lane] * factor


@njit
def in_logical_order(x, out):  # type: ignore[no-untyped-def]
    """``out[depth]`` += ``x``, which is in storage order."""
    for base in range(0, x.shape[0], BLOCK):
        for i in range(_NIBBLES):
            for half in range(2):
                for lane in range(4):
                    out[base + 32 * half + 4 * i + lane] += x[base + 8 * i + 4 * half + lane]


@njit
def origins(ordered, out):  # type: ignore[no-untyped-def]
    """``out[depth / 8]``: by lane of each block, what the number of code 0 would add; ``ordered[depth]``."""
    for block in range(ordered.shape[0] // BLOCK):
        for lane in range(LANES):
            total = _F(0.0)
            for i in range(_NIBBLES):
                total += ordered[block * BLOCK + i * LANES + lane]
            out[block * LANES + lane] = -ORIGIN * total


def _numbers(emit: Emitter, words: Any, nibble: int) -> Any:
    """Nibble ``nibble`` of eight words as fp32 ``1 + n / 16``."""
    shift = _MANTISSA - 4 * nibble
    moved = emit.shift_left(words, shift) if shift >= 0 else emit.shift_right(words, -shift)
    return emit.as_floats(emit.either(emit.both(moved, _CODE_BITS), _ONE_BITS))


def _scale(emit: Emitter, scales: Any, half: Any, shift: Any) -> Any:
    """The fp32 scale, in every lane, of half block number ``half`` of a row; a group is ``2 ** shift`` halves."""
    return emit.broadcast(emit.bfloat16(emit.move(scales, emit.builder.lshr(half, shift))))


def _halves_scales(emit: Emitter, scales: Any, half: Any, shift: Any, paired: bool) -> Any:
    """fp32 scales of half blocks ``half`` and ``half + 1``, four lanes each. ``paired``: every half is a group."""
    if not paired:
        return _scale(emit, scales, half, shift)
    pair = emit.broadcast_word(emit.move(scales, half))
    return emit.as_floats(emit.blend(emit.shift_left(pair, 16), emit.both(pair, _UPPER_HALF)))


def make_dot4(*, paired: bool) -> Callable[..., float]:
    """``dot(codes, at, scales, scale_at, x, origins, blocks, shift, following)`` of a 4-bit row, in compiled code.

    ``codes`` are ``int32`` words from ``at`` on, ``scales`` ``int16`` from ``scale_at`` on, one for ``32 * 2 ** shift``
    weights (``paired``: ``shift`` is 0). ``x[64 blocks]`` is in storage order times :data:`SPAN`; ``origins`` from
    :func:`origins`. As much from word ``following`` on is fetched.
    """

    @intrinsic
    def dot(typingctx, codes, at, scales, scale_at, x, origins, blocks, shift, following):  # type: ignore[no-untyped-def]
        index = types.intp
        signature = types.float32(codes, index, scales, index, x, origins, index, index, index)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            codes, scales, x, origins = _data(context, builder, sig, args, 0, 2, 4, 5)
            _, at, _, scale_at, _, _, blocks, shift, following = args
            emit = Emitter(builder)
            row, coming, row_scales = emit.move(codes, at), emit.move(codes, following), emit.move(scales, scale_at)
            total = emit.slot()
            builder.store(emit.zeros(), total)
            with emit.loop(emit.number(0), blocks, 1) as block:
                at_word, at_x = builder.mul(block, emit.number(LANES)), builder.mul(block, emit.number(BLOCK))
                emit.prefetch(emit.move(coming, at_word))
                words, values = emit.load_words(emit.move(row, at_word)), emit.move(x, at_x)
                sums = [emit.load(emit.move(origins, at_word)), emit.zeros()]  # two: neither waits for long
                for i in range(_NIBBLES):
                    sums[i % 2] = emit.fma(_numbers(emit, words, i), emit.load(values, i), sums[i % 2])
                half = builder.mul(block, emit.number(2))
                scale = _halves_scales(emit, row_scales, half, shift, paired)
                builder.store(emit.fma(scale, builder.fadd(*sums), builder.load(total)), total)
            return emit.sum(builder.load(total))

        return signature, codegen

    return dot  # type: ignore[no-any-return]


@intrinsic
def dot8(typingctx, codes, at, scales, scale_at, x, blocks, shift, following):  # type: ignore[no-untyped-def]
    """As what :func:`make_dot4` makes, of an 8-bit row: ``codes`` are ``int8``, ``x[64 blocks]`` in its order."""
    index = types.intp
    signature = types.float32(codes, index, scales, index, x, index, index, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        codes, scales, x = _data(context, builder, sig, args, 0, 2, 4)
        _, at, _, scale_at, _, blocks, shift, following = args
        emit = Emitter(builder)
        row, coming, row_scales = emit.move(codes, at), emit.move(codes, following), emit.move(scales, scale_at)
        totals = [emit.slot() for _ in range(2)]
        for total in totals:
            builder.store(emit.zeros(), total)
        with emit.loop(emit.number(0), blocks, 1) as block:
            column, half = builder.mul(block, emit.number(BLOCK)), builder.mul(block, emit.number(2))
            values, octets = emit.move(x, column), emit.move(row, column)
            emit.prefetch(emit.move(coming, column))
            for number, total in enumerate(totals):
                products = emit.zeros()
                for v in range(number * _OCTETS, (number + 1) * _OCTETS):
                    weights = emit.load_bytes(emit.move(octets, emit.number(v * LANES)))
                    products = emit.fma(weights, emit.load(values, v), products)
                scale = _scale(emit, row_scales, builder.add(half, emit.number(number)), shift)
                builder.store(emit.fma(scale, products, builder.load(total)), total)
        return emit.sum(builder.fadd(*map(builder.load, totals)))

    return signature, codegen


def make_add4(*, paired: bool) -> Callable[..., None]:
    """``add(codes, at, scales, scale_at, first, factors, out, blocks, shift)``: scaled 4-bit rows are added to ``out``.

    ``ADD_ROWS`` rows from ``first`` on of those whose codes begin at ``at``, scales at ``scale_at`` (both ``int64``);
    ``factors`` by row, times :data:`SPAN`. ``out[64 blocks]`` is in storage order. As many rows more are fetched.
    """

    @intrinsic
    def add(typingctx, codes, at, scales, scale_at, first, factors, out, blocks, shift):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            rows, blocks, shift = _Rows(context, builder, sig, args), args[7], args[8]
            emit = rows.emit
            with emit.loop(emit.number(0), blocks, 1) as block:
                at_word, half = builder.mul(block, emit.number(LANES)), builder.mul(block, emit.number(2))
                target = emit.move(rows.out, builder.mul(block, emit.number(BLOCK)))
                scales = [
                    builder.fmul(_halves_scales(emit, stream, half, shift, paired), factor)
                    for stream, factor in zip(rows.scales, rows.factors, strict=True)
                ]
                origin = builder.fmul(emit.total(scales), emit.constant(-float(ORIGIN)))
                for coming in rows.coming:
                    emit.prefetch(emit.move(coming, at_word))
                words = [emit.load_words(emit.move(stream, at_word)) for stream in rows.codes]
                for i in range(_NIBBLES):
                    total = builder.fadd(emit.load(target, i), origin)
                    for word, scale in zip(words, scales, strict=True):
                        total = emit.fma(_numbers(emit, word, i), scale, total)
                    emit.store(total, target, i)
            return context.get_dummy_value()

        return _add_signature(codes, at, scales, scale_at, factors, out), codegen

    return add  # type: ignore[no-any-return]


@intrinsic
def add8(typingctx, codes, at, scales, scale_at, first, factors, out, blocks, shift):  # type: ignore[no-untyped-def]
    """As what :func:`make_add4` makes, of 8-bit rows: ``factors`` as they are, ``out`` in the order of the weights."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, blocks, shift = _Rows(context, builder, sig, args), args[7], args[8]
        emit = rows.emit
        with emit.loop(emit.number(0), blocks, 1) as block:
            column, half = builder.mul(block, emit.number(BLOCK)), builder.mul(block, emit.number(2))
            for coming in rows.coming:
                emit.prefetch(emit.move(coming, column))
            for number in range(2):
                scales = [
                    builder.fmul(_scale(emit, stream, builder.add(half, emit.number(number)), shift), factor)
                    for stream, factor in zip(rows.scales, rows.factors, strict=True)
                ]
                for v in range(number * _OCTETS, (number + 1) * _OCTETS):
                    place = builder.add(column, emit.number(v * LANES))
                    target = emit.move(rows.out, place)
                    total = emit.load(target)
                    for stream, scale in zip(rows.codes, scales, strict=True):
                        total = emit.fma(emit.load_bytes(emit.move(stream, place)), scale, total)
                    emit.store(total, target)
        return context.get_dummy_value()

    return _add_signature(codes, at, scales, scale_at, factors, out), codegen


def _add_signature(codes: Any, at: Any, scales: Any, scale_at: Any, factors: Any, out: Any) -> Any:
    index = types.intp
    return types.void(codes, at, scales, scale_at, index, factors, out, index, index)


_dot4_paired, _dot4_grouped = make_dot4(paired=True), make_dot4(paired=False)
_add4_paired, _add4_grouped = make_add4(paired=True), make_add4(paired=False)


@njit
def dot(store, start, x, origin, depth, following):  # type: ignore[no-untyped-def]
    """The row of ``depth`` codes from weight ``start`` on, times ``x`` and ``origin`` as :func:`vector` gives them."""
    _, words, codes, scales, bits, shift = store
    blocks, scale_at = depth // BLOCK, start // 32 >> shift
    if bits == 8:
        return dot8(codes, start, scales, scale_at, x, blocks, shift, following)
    if shift == 0:
        return _dot4_paired(words, start // 8, scales, scale_at, x, origin, blocks, shift, following // 8)
    return _dot4_grouped(words, start // 8, scales, scale_at, x, origin, blocks, shift, following // 8)


@njit
def add_rows(store, code_at, scale_at, first, factors, out):  # type: ignore[no-untyped-def]
    """``out[D]`` += :data:`ADD_ROWS` rows times their ``factors``, from number ``first`` on; 4 bits in storage order.

    Codes begin at words (4 bits) or bytes (8 bits) ``code_at``, scales at ``scale_at``, for twice as many rows.
    """
    _, words, codes, scales, bits, shift = store
    blocks = out.shape[0] // BLOCK
    if bits == 8:
        add8(codes, code_at, scales, scale_at, first, factors, out, blocks, shift)
    elif shift == 0:
        _add4_paired(words, code_at, scales, scale_at, first, factors, out, blocks, shift)
    else:
        _add4_grouped(words, code_at, scales, scale_at, first, factors, out, blocks, shift)


@njit
def vector(x, bits):  # type: ignore[no-untyped-def]
    """``x[depth]`` as :func:`dot` wants it for codes of ``bits``, and what goes with it."""
    if bits != 4:
        return x, x
    ordered, origin = np.empty_like(x), np.empty(x.shape[0] // 8, np.float32)
    in_storage_order(x, SPAN, ordered)
    origins(ordered, origin)
    return ordered, origin


@njit
def unpack_row(store, start, depth, out, out_at):  # type: ignore[no-untyped-def]
    """``out[out_at:out_at + depth]`` = the row from weight ``start`` on as fp32; of 4 bits in storage order."""
    _, words, codes, scales, bits, shift = store
    for base in range(start, start + depth, BLOCK // 2):
        scale, half = bfloat16(scales[base // 32 >> shift]), base // (BLOCK // 2) % 2
        if bits == 8:
            for k in range(base, base + BLOCK // 2):
                out[out_at + k - start] = _F(codes[k]) * scale
            continue
        block = base // BLOCK * BLOCK
        for i in range(_NIBBLES):
            for lane in range(4 * half, 4 * half + 4):
                code = (words[block // 8 + lane] >> (4 * i)) & 15
                out[out_at + block - start + i * LANES + lane] = _F(code - 8) * scale


def _data(context: Any, builder: Any, sig: Any, args: Any, *which: int) -> list[Any]:
    """Where the data of those arguments begin that are arrays."""
    return [context.make_array(sig.args[i])(context, builder, args[i]).data for i in which]


class _Rows:
    """The arguments of an ``add``: pointers into rows and their scales, the rows after them, factors by lane."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any) -> None:
        codes, at, scales, scale_at, factors, self.out = _data(context, builder, sig, args, 0, 1, 2, 3, 5, 6)
        first = args[4]
        self.emit = emit = Emitter(builder)

        def number(places: Any, r: int) -> Any:
            return builder.load(emit.move(places, first, emit.number(r)))

        rows = range(ADD_ROWS)
        self.codes = [emit.move(codes, number(at, r)) for r in rows]
        self.coming = [emit.move(codes, number(at, r + ADD_ROWS)) for r in rows]
        self.scales = [emit.move(scales, number(scale_at, r)) for r in rows]
        self.factors = [emit.broadcast(number(factors, r)) for r in rows]
