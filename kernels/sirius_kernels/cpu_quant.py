"""Quantised weight rows for compiled code: where they are, and products with them.

Where a processor multiplies bytes, products round activations to bytes (:mod:`sirius_kernels.cpu_bytes`). Else, and
where rows are unpacked, activations meet 4-bit rows in *storage order*: vector after vector as
:mod:`sirius_kernels.cpu_codes` turns up codes.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numba import njit

from sirius_kernels.cpu_bytes import byte_vector, make_byte_dot, round_to_bytes, step_of
from sirius_kernels.cpu_codes import ORIGIN, SPAN, VECTORS, make_add, make_dot, make_unpack
from sirius_kernels.cpu_llvm import LANES, MULTIPLIES_BYTES
from sirius_kernels.cpu_memory import NOTHING, address, floats, integers, octets, short_integers
from sirius_kernels.quant.matrix import BLOCK, GROUPS, SHARING, Bits, QuantMatrix, Weight

SOME: Final = 4  # tokens that meet a row at once: codes become factors once for all of them
NATIVE: Final = 32  # bits of weights that are no codes
_F = np.float32
_add4_32, _add4_64, _add4_128 = (make_add(4, group) for group in GROUPS)
_add8_32, _add8_64, _add8_128 = (make_add(8, group) for group in GROUPS)
_unpack4_32, _unpack4_64, _unpack4_128 = (make_unpack(4, group) for group in GROUPS)
_unpack8_32, _unpack8_64, _unpack8_128 = (make_unpack(8, group) for group in GROUPS)


def stored(weight: Weight) -> tuple[int, int, int, int]:
    """What :func:`rows_at` takes: the addresses of the weights and of their scales, bits and group."""
    if isinstance(weight, QuantMatrix):
        return address(weight.codes), address(weight.scales), weight.bits, weight.group
    return address(weight), NOTHING, NATIVE, 1


@njit(inline="always", error_model="numpy")
def rows_at(weight, scales, total, bits, group):  # type: ignore[no-untyped-def]
    """The ``total`` weights at an address, in rows: what compiled code hands around as ``store``.

    ``(fp32, int32 words of 4-bit codes, int8 codes, int16 scales, bits, group)``: ``bits`` tells which of the first
    three is meant.
    """
    return (
        floats(weight, total),
        integers(weight, total // 8),
        octets(weight, total),
        short_integers(scales, total // group),
        bits,
        group,
    )


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
    """``(x, sizes, origins)`` of :func:`~sirius_kernels.cpu_codes.make_dot`, which has no use for sizes."""
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
        codes, sizes, values = (
            np.empty(x.shape[0], np.int8),
            np.empty(x.shape[0] // SHARING, np.float32),
            np.empty_like(x),
        )
        round_to_bytes(x, codes, sizes)
        for k in range(x.shape[0]):
            values[k] = _F(codes[k]) * sizes[k // SHARING]
    if bits == 4:
        in_storage_order(values, _F(1.0), out)
    else:
        _copy(values, out)


def _make_products(bits: Bits, group: int) -> Callable[..., None]:
    """:func:`products` of one format: what depends on it is decided once for all rows."""
    make = make_byte_dot if MULTIPLIES_BYTES else make_dot
    dot, dot_of_some = make(bits, group), make(bits, group, SOME)
    packed = 8 if bits == 4 else 1  # codes in an element

    @njit
    def multiply(codes, scales, starts, ahead, depth, x, sizes, origins, out):  # type: ignore[no-untyped-def]
        (tokens, rows, units), lanes, blocks = out.shape, sizes.shape[1], depth // BLOCK
        flat, last, plane = out.reshape(-1), starts.shape[0] - 1, rows * units
        for i in range(starts.shape[0]):
            at, scale_at, following = starts[i] // packed, starts[i] // group, starts[min(i + ahead, last)] // packed
            place, token = i % rows * units + i // rows, 0
            while token + SOME <= tokens:
                dot_of_some(
                    codes, at, scales, scale_at, x, sizes, origins, token, lanes, blocks, following, flat,
                    place + token * plane, plane,
                )  # fmt: skip
                token, following = token + SOME, at  # which are there already
            while token < tokens:
                dot(
                    codes, at, scales, scale_at, x, sizes, origins, token, lanes, blocks, following, flat,
                    place + token * plane, plane,
                )  # fmt: skip
                token, following = token + 1, at

    return multiply  # type: ignore[no-any-return]


_products4_32, _products4_64, _products4_128 = (_make_products(4, group) for group in GROUPS)
_products8_32, _products8_64, _products8_128 = (_make_products(8, group) for group in GROUPS)


@njit
def products(store, starts, ahead, depth, x, sizes, origins, out):  # type: ignore[no-untyped-def]
    """``out[n, i % rows, i // rows]`` = the row of ``depth`` codes from weight ``starts[i]`` on, times token n.

    ``x``, ``sizes`` and ``origins`` are as :func:`vectors` makes them. A row is fetched ``ahead`` rows before its use.
    """
    _, words, codes, scales, bits, group = store
    if bits == 4:
        if group == 32:
            _products4_32(words, scales, starts, ahead, depth, x, sizes, origins, out)
        elif group == 64:
            _products4_64(words, scales, starts, ahead, depth, x, sizes, origins, out)
        else:
            _products4_128(words, scales, starts, ahead, depth, x, sizes, origins, out)
    elif group == 32:
        _products8_32(codes, scales, starts, ahead, depth, x, sizes, origins, out)
    elif group == 64:
        _products8_64(codes, scales, starts, ahead, depth, x, sizes, origins, out)
    else:
        _products8_128(codes, scales, starts, ahead, depth, x, sizes, origins, out)


@njit
def add_rows(store, code_at, scale_at, first, factors, out):  # type: ignore[no-untyped-def]
    """``out[D]`` += some rows (``ADD_ROWS``) times their ``factors``, from number ``first`` on; see ``make_add``.

    Codes begin at words (4 bits) or bytes (8 bits) ``code_at``, scales at ``scale_at``, for twice as many rows.
    """
    _, words, codes, scales, bits, group = store
    blocks = out.shape[0] // BLOCK
    if bits == 4:
        if group == 32:
            _add4_32(words, code_at, scales, scale_at, first, factors, out, blocks)
        elif group == 64:
            _add4_64(words, code_at, scales, scale_at, first, factors, out, blocks)
        else:
            _add4_128(words, code_at, scales, scale_at, first, factors, out, blocks)
    elif group == 32:
        _add8_32(codes, code_at, scales, scale_at, first, factors, out, blocks)
    elif group == 64:
        _add8_64(codes, code_at, scales, scale_at, first, factors, out, blocks)
    else:
        _add8_128(codes, code_at, scales, scale_at, first, factors, out, blocks)


@njit
def unpack_row(store, start, depth, out, out_at):  # type: ignore[no-untyped-def]
    """``out[out_at:out_at + depth]`` = the row from weight ``start`` on as fp32; of 4 bits in storage order."""
    _, words, codes, scales, bits, group = store
    blocks, at = depth // BLOCK, start // group
    if bits == 4:
        if group == 32:
            _unpack4_32(words, start // 8, scales, at, out, out_at, blocks)
        elif group == 64:
            _unpack4_64(words, start // 8, scales, at, out, out_at, blocks)
        else:
            _unpack4_128(words, start // 8, scales, at, out, out_at, blocks)
    elif group == 32:
        _unpack8_32(codes, start, scales, at, out, out_at, blocks)
    elif group == 64:
        _unpack8_64(codes, start, scales, at, out, out_at, blocks)
    else:
        _unpack8_128(codes, start, scales, at, out, out_at, blocks)
