"""Quantised weight rows for compiled code: where they are, and products with them.

Where a processor multiplies bytes, products round activations to bytes (:mod:`sirius_kernels.cpu_bytes`). Else, and
where rows are unpacked, activations meet 4-bit rows in *storage order*: vector after vector as
:mod:`sirius_kernels.cpu_codes` turns up codes.

The kernels of a format are compiled when the first matrix of that format turns up. Compiled code finds them by the
format's address.
"""

import functools
from typing import Any, Final

import numpy as np
import torch
from numba import njit

from sirius_kernels.cpu_amx import make_tiles
from sirius_kernels.cpu_bytes import byte_vector, dots_of_bytes, step_of
from sirius_kernels.cpu_codes import ORIGIN, SPAN, VECTORS, add_codes, dots_of_numbers, unpack_codes
from sirius_kernels.cpu_halves import make_block, make_products, make_sums, make_unpack
from sirius_kernels.cpu_llvm import KINDS, LANES, MULTIPLIES_BYTES, multiplies_tiles
from sirius_kernels.cpu_memory import NOTHING, address, address_of, floats, hold, long_integers
from sirius_kernels.cpu_parts import apart, in_parts, part, together
from sirius_kernels.cpu_stream import ADD_ROWS, DOT_ROWS
from sirius_kernels.quant.matrix import BLOCK, Bits, QuantMatrix, Weight

SOME: Final = 4  # tokens that meet rows at once: codes become factors once for all of them
ROWS: Final = DOT_ROWS if MULTIPLIES_BYTES else 1  # side by side: codes that become fp32 numbers fill the registers
NATIVE: Final = 32  # bits of weights that are fp32
HALF: Final = 16  # of weights that are fp16 or bf16: no codes either, and met by numbers as they are
_F = np.float32
_dots = dots_of_bytes if MULTIPLIES_BYTES else dots_of_numbers
_ADDRESS: Final = 8  # bytes
_NUMBER: Final = 4
# What is known of a format: a record of whole numbers.
_BITS, _PRODUCTS, _ADD, _UNPACK, _BLOCK, _TILES = range(6)  # the last two of halves alone


def stored(weight: Weight) -> tuple[int, int, int]:
    """The addresses of weights, of their scales and of their format, as compiled code takes them."""
    if isinstance(weight, QuantMatrix):
        return address(weight.codes), address(weight.scales), _format(weight.bits, weight.group)[0]
    if weight.dtype is not torch.float32:
        return address(weight), NOTHING, _format_of_halves(str(weight.dtype).removeprefix("torch."))[0]
    return address(weight), NOTHING, NOTHING


@functools.cache
def _format(bits: Bits, group: int) -> tuple[int, object]:
    """Where the record of a format is, and what must be kept for it."""
    return _record(bits, _products_of(bits, group), _add_of(bits, group), _unpack_of(bits, group))


@functools.cache
def _format_of_halves(kind: str) -> tuple[int, object]:
    kernels = (make(KINDS.index(kind)) for make in (make_products, make_sums, make_unpack, make_block))
    tiles = (make_tiles(),) if kind == "bfloat16" and multiplies_tiles() else ()
    return _record(HALF, *kernels, *tiles)


def _record(bits: int, *kernels: Any) -> tuple[int, object]:
    record = np.zeros(_TILES + 1, np.int64)
    record[: len(kernels) + 1] = [bits, *(kernel.address for kernel in kernels)]
    return record.ctypes.data, (record, kernels)


@njit(inline="always")  # division by what is known then
def _over(weights, size):  # type: ignore[no-untyped-def]
    """In which element of as many as ``size`` weights each of ``weights`` is."""
    elements = np.empty_like(weights)
    for i in range(len(weights)):
        elements[i] = weights[i] // size
    return elements


def _products_of(bits: Bits, group: int) -> Any:
    packed = 8 if bits == 4 else 1  # codes in an element

    @part()
    def products(arguments, part, parts):  # type: ignore[no-untyped-def]
        (
            codes, scales, starts, count, ahead, depth, x, sizes, origins, lanes, tokens, out, places, step,
        ) = apart(arguments, 14)  # fmt: skip
        first_weights, blocks = long_integers(starts, count + ahead), depth // BLOCK
        code_at, scale_at = _over(first_weights, packed), _over(first_weights, group)
        for first in range(0, count, ROWS):
            at, scales_of, result = (
                address_of(code_at) + first * _ADDRESS,
                address_of(scale_at) + first * _ADDRESS,
                places + first * _ADDRESS,
            )
            token = 0
            while token + SOME <= tokens:
                _dots(
                    bits, group, ROWS, SOME, codes, scales, at, scales_of, ahead, x, sizes, origins, token, lanes,
                    blocks, out, result, step,
                )  # fmt: skip
                token += SOME
            while token < tokens:
                _dots(
                    bits, group, ROWS, 1, codes, scales, at, scales_of, ahead, x, sizes, origins, token, lanes, blocks,
                    out, result, step,
                )  # fmt: skip
                token += 1
        hold(code_at)
        hold(scale_at)

    return products


def _add_of(bits: Bits, group: int) -> Any:
    packed, span = (8, SPAN) if bits == 4 else (1, _F(1.0))

    @part()
    def add(arguments, part, parts):  # type: ignore[no-untyped-def]
        codes, scales, starts, count, factors, out, width = apart(arguments, 7)
        first_weights, values, blocks = long_integers(starts, count + ADD_ROWS), floats(factors, count), width // BLOCK
        code_at, scale_at, scaled = _over(first_weights, packed), _over(first_weights, group), np.empty_like(values)
        for i in range(count):
            scaled[i] = values[i] * span
        for first in range(0, count, ADD_ROWS):
            add_codes(
                bits, group, codes, scales, address_of(code_at) + first * _ADDRESS,
                address_of(scale_at) + first * _ADDRESS, address_of(scaled) + first * _NUMBER, out, blocks,
            )  # fmt: skip
        hold(code_at)
        hold(scale_at)
        hold(scaled)

    return add


def _unpack_of(bits: Bits, group: int) -> Any:
    packed = 8 if bits == 4 else 1

    @part()
    def unpack(arguments, part, parts):  # type: ignore[no-untyped-def]
        codes, scales, starts, count, out, depth = apart(arguments, 6)
        first_weights = long_integers(starts, count)
        for i in range(count):
            start = first_weights[i]
            unpack_codes(
                bits, group, codes, scales, start // packed, start // group, out + i * depth * _NUMBER, depth // BLOCK
            )  # fmt: skip

    return unpack


@njit
def bits_of(format):  # type: ignore[no-untyped-def]
    """Of a weight of the format at that address."""
    return long_integers(format, 1)[_BITS] if format != NOTHING else NATIVE


@njit
def products(store, starts, count, ahead, depth, met, out, places, step):  # type: ignore[no-untyped-def]
    """``out[places[i] + n * step]`` = the row of ``depth`` codes from weight ``starts[i]`` on, times token n.

    ``store`` is what :func:`stored` gives, ``met`` what :func:`vectors` does. ``count`` is a multiple of :data:`ROWS`,
    ``starts`` is ``int64[count + ahead]``: a row is fetched ``ahead`` rows before its use.
    """
    (codes, scales, format), (x, sizes, origins) = store, met
    arguments = together((
        codes, scales, address_of(starts), count, ahead, depth, address_of(x), address_of(sizes), address_of(origins),
        sizes.shape[1], x.shape[0], address_of(out), address_of(places), step,
    ))  # fmt: skip
    in_parts(long_integers(format, 4)[_PRODUCTS], arguments, 1)


@njit
def add_rows(store, starts, count, factors, out):  # type: ignore[no-untyped-def]
    """``out[D]`` += ``count`` rows, a multiple of ``ADD_ROWS``, times their ``factors``; of 4 bits in storage order.

    ``starts`` is ``int64[count + ADD_ROWS]``.
    """
    codes, scales, format = store
    arguments = together((
        codes, scales, address_of(starts), count, address_of(factors), address_of(out), out.shape[0],
    ))  # fmt: skip
    in_parts(long_integers(format, 4)[_ADD], arguments, 1)


@njit
def unpack_rows(store, starts, count, depth, out):  # type: ignore[no-untyped-def]
    """``out[count, depth]``, a flat array, = the rows from weights ``starts[count]`` on; of 4 bits in storage order."""
    codes, scales, format = store
    arguments = together((codes, scales, address_of(starts), count, address_of(out), depth))
    in_parts(long_integers(format, 4)[_UNPACK], arguments, 1)


@njit
def add_block(store, starts, depth, low, width, scales, step, tokens, out, out_step):  # type: ignore[no-untyped-def]
    """``out[t * out_step + c] += sum_j scales[j * step + t] * row j at low + c``, for ``depth`` rows of halves.

    Of ``width`` columns c and ``tokens`` t; ``starts``, ``scales`` and ``out`` by their addresses.
    """
    arguments = together((store[0], starts, depth, low, width, scales, step, tokens, out, out_step))
    in_parts(long_integers(store[2], 5)[_BLOCK], arguments, 1)


@njit
def tiles_of(format):  # type: ignore[no-untyped-def]
    """Where the kernel for matrix units is; 0 where there is none."""
    return long_integers(format, _TILES + 1)[_TILES] if format != NOTHING else 0


@njit
def in_storage_order(x, factor, out):  # type: ignore[no-untyped-def]
    """``out[depth]`` = ``x`` in the storage order of 4-bit rows, times ``factor``."""
    blocks = x.shape[0] // BLOCK
    for block in range(blocks):
        at, step = step_of(block, blocks, LANES)
        for i in range(VECTORS):
            for half in range(2):
                for lane in range(4):
                    out[at + step * i + 4 * half + lane] = x[block * BLOCK + 32 * half + 4 * i + lane] * factor


@njit
def in_logical_order(x, out):  # type: ignore[no-untyped-def]
    """``out[depth]`` += ``x``, which is in storage order."""
    blocks = x.shape[0] // BLOCK
    for block in range(blocks):
        at, step = step_of(block, blocks, LANES)
        for i in range(VECTORS):
            for half in range(2):
                for lane in range(4):
                    out[block * BLOCK + 32 * half + 4 * i + lane] += x[at + step * i + 4 * half + lane]


@njit
def _origins(ordered, out):  # type: ignore[no-untyped-def]
    """``out[depth / 8]``: by block and lane, what the number of code 0 would add; ``ordered[depth]``."""
    blocks = ordered.shape[0] // BLOCK
    for block in range(blocks):
        at, step = step_of(block, blocks, LANES)
        for lane in range(LANES):
            total = _F(0.0)
            for i in range(VECTORS):
                total += ordered[at + step * i + lane]
            out[block * LANES + lane] = -ORIGIN * total


@njit
def float_vector(x, bits):  # type: ignore[no-untyped-def]
    """``(x, sizes, origins)`` of ``dots_of_numbers``, which has no use for sizes."""
    if bits != 4:
        return x, x, x
    ordered, origins = np.empty_like(x), np.empty(x.shape[0] // 8, np.float32)
    in_storage_order(x, SPAN, ordered)
    _origins(ordered, origins)
    return ordered, origins, origins


vector = byte_vector if MULTIPLIES_BYTES else float_vector
"""``vector(x, bits)``: ``x[depth]`` as a dot product wants it for codes of ``bits``, and what goes with it."""


@njit
def _copy(values, out):  # type: ignore[no-untyped-def]
    """As ``out[:] = values``, which takes numba seconds to compile, for it can complain of shapes."""
    for i in range(len(values)):
        out[i] = values[i]


@njit
def vectors(x, bits):  # type: ignore[no-untyped-def]
    """``x[N, depth]`` as :func:`products` wants it, and what goes with it: :data:`vector` of each token."""
    values, sizes, origins = vector(x[0], bits)
    all_values = np.empty((x.shape[0], len(values)), values.dtype)
    all_sizes = np.empty((x.shape[0], len(sizes)), sizes.dtype)
    all_origins = np.empty((x.shape[0], len(origins)), origins.dtype)
    token = 0
    while True:
        _copy(values, all_values[token])
        _copy(sizes, all_sizes[token])
        _copy(origins, all_origins[token])
        token += 1
        if token == x.shape[0]:
            return all_values, all_sizes, all_origins
        values, sizes, origins = vector(x[token], bits)


@njit
def as_met(x, bits, out):  # type: ignore[no-untyped-def]
    """``out[depth]``: the fp32 numbers for which products with codes of ``bits`` take ``x``, as unpacked rows lie."""
    values = x
    if MULTIPLIES_BYTES:
        values = np.empty_like(x)
        codes, sizes, _ = byte_vector(x, 8)  # in order
        for k in range(x.shape[0]):
            values[k] = _F(codes[k]) * sizes[k // 4]
    if bits == 4:
        in_storage_order(values, _F(1.0), out)
    else:
        _copy(values, out)
