"""Products with whole weight rows, picked by number: the core of ``linear`` and of the first half of the MLP.

A *unit* is what a caller counts: one output of a linear layer, one neuron of an MLP. It owns one weight row, or two
(gate and up) that lie side by side. Rows of units that nobody picked are never read.
"""

import math
from typing import Final

import numpy as np
from numba import njit

from sirius_kernels import cpu_amx
from sirius_kernels.cpu_llvm import FP32, MULTIPLIES_BYTES
from sirius_kernels.cpu_math import gelu_tanh, silu
from sirius_kernels.cpu_memory import NOTHING, address_of, floats, hold, integers
from sirius_kernels.cpu_parts import apart, in_parts, named_part, together
from sirius_kernels.cpu_quant import HALF, NATIVE, ROWS, as_met, bits_of, products, tiles_of, unpack_rows, vectors
from sirius_kernels.cpu_stream import DOT_ROWS, dots
from sirius_kernels.cpu_tile import MOST_ROWS, TOKENS, WIDE_ROWS, make_tile, make_tile_of_unpacked

# What happens to a unit's products before they are written.
PLAIN: Final = 0
ACTIVATE: Final = 1  # act(y); with two rows act(y0) * y1
SCALE: Final = 2  # gate * y, the gate given
ACTIVATIONS: Final = {"silu": 0, "gelu_tanh": 1, "gelu": 2, "relu": 3}

_BLOCK_BYTES: Final = 1 << 18  # weights of a block stay in the L2 cache while every group of 16 rows passes over them
_AHEAD_BYTES: Final = 1 << 14  # of codes, of all rows side by side, that are fetched ahead of their use
# Tokens that meet a row by dot products. More of them fill tiles, for which codes are unpacked (kernels/bench/cpu.py).
_FEW: Final = 8
_FEW_OF_HALVES: Final = 12
_SEVERAL: Final = 6  # tokens for which matrix units are faster, where there are any
_FEW_OF_CODES: Final = 16 if MULTIPLIES_BYTES else 8
_tile, _row = make_tile(WIDE_ROWS, TOKENS, prefetch=True), make_tile(1, TOKENS, prefetch=True)
_tile_of_unpacked, _row_of_unpacked = make_tile_of_unpacked(WIDE_ROWS, TOKENS), make_tile_of_unpacked(1, TOKENS)
_F = np.float32
_SQRT_HALF, _HALF, _ONE = _F(math.sqrt(0.5)), _F(0.5), _F(1.0)


@njit(inline="always", error_model="numpy")
def unit(active, i):  # type: ignore[no-untyped-def]
    return np.int64(active[i]) if active.shape[0] > 0 else i


@njit(fastmath=True, error_model="numpy")
def _activate(values, count, step, lanes, kind):  # type: ignore[no-untyped-def]
    """Apply an activation in place to the first of every ``step`` rows of ``values``, ``count`` times."""
    for i in range(count):
        row = values[i * step]
        if kind == 0:
            for lane in range(lanes):
                row[lane] = silu(row[lane])
        elif kind == 1:
            for lane in range(lanes):
                row[lane] = gelu_tanh(row[lane])
        elif kind == 2:
            for lane in range(lanes):
                row[lane] = _HALF * row[lane] * (_ONE + _F(math.erf(row[lane] * _SQRT_HALF)))
        else:
            for lane in range(lanes):
                row[lane] = max(row[lane], _F(0.0))


@njit
def _products(weight, starts, count, x, out, places, step):  # type: ignore[no-untyped-def]
    """``out[places[i] + n * step]`` = the fp32 row from weight ``starts[i]`` on, times ``x[n]``.

    ``count`` is a multiple of ``DOT_ROWS``; ``starts`` and ``places`` go on for as many rows.
    """
    (tokens, depth), values = x.shape, x.reshape(-1)
    for first in range(0, count, DOT_ROWS):
        token = 0
        while token + 4 <= tokens:
            dots(FP32, 4, weight, starts, first, values, token, depth, out, places, step)
            token += 4
        if token + 2 <= tokens:
            dots(FP32, 2, weight, starts, first, values, token, depth, out, places, step)
            token += 2
        if token < tokens:
            dots(FP32, 1, weight, starts, first, values, token, depth, out, places, step)


@njit
def _lay_out(picked, low, high, stride, first, rows, depth, streams, further):  # type: ignore[no-untyped-def]
    """Where the rows of units ``low:high`` begin, and where their products go among those of the same token.

    In the order in which they are read: ``streams`` rows side by side, each from a share of the rows of its own, so
    that the processor sees that many stretches of memory which it can go ahead on. Shares are filled up by the last
    row, which then is computed again; ``further`` rows that are only fetched follow.
    """
    units = high - low
    each = (units * rows + streams - 1) // streams
    starts, places = np.empty(each * streams + further, np.int64), np.empty(each * streams + further, np.int64)
    for stream in range(streams):
        i, row = stream * each // rows, stream * each % rows
        for at in range(stream, each * streams, streams):
            if i >= units:
                i, row = units - 1, rows - 1
            starts[at] = unit(picked, low + i) * stride + first + row * depth
            places[at] = row * units + i
            row += 1
            if row == rows:
                i, row = i + 1, 0
    for at in range(each * streams, each * streams + further):
        starts[at], places[at] = starts[each * streams - 1], places[each * streams - 1]
    return each * streams, starts, places


@njit(fastmath=True, error_model="numpy")
def _finish_vector(values, first_row, stride, bias, mode, kind, gate, active, low, out):  # type: ignore[no-untyped-def]
    """Add ``bias``, activate, multiply the two rows of a unit, and write ``out[low:]`` of one token.

    Unit u owns rows from ``u * stride + first_row`` on.
    """
    rows, units = values.shape
    if bias.shape[0]:
        for i in range(units):
            for row in range(rows):
                values[row, i] += bias[unit(active, low + i) * stride + first_row + row]
    if mode == ACTIVATE:
        _activate(values, 1, 1, units, kind)
    for i in range(units):
        y = values[0, i]
        if rows == 2:
            y *= values[1, i]
        if mode == SCALE:
            y *= gate[unit(active, low + i)]
        out[low + i] = y


_ARGUMENTS: Final = 19  # of rows_product, all but the last


@named_part(fastmath=True, error_model="numpy")
def _by_vectors(arguments, part, parts):  # type: ignore[no-untyped-def]
    """A share of the units times a few tokens; ``arguments`` are those of :func:`rows_product`."""
    (
        weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode, kind,
        x, tokens, out,
    ) = apart(arguments, _ARGUMENTS)  # fmt: skip
    low, high = part * units // parts, (part + 1) * units // parts
    if low == high:
        return
    x_values, results = floats(x, tokens * depth).reshape(tokens, depth), floats(out, tokens * units)
    picked, bias_values, gate_values = integers(active, units), floats(bias, biases), floats(gate, tokens * gates)
    values, bits, plane = np.empty((tokens, rows, high - low), np.float32), bits_of(format), (high - low) * rows
    streams = DOT_ROWS if bits >= HALF else ROWS
    ahead = streams * max(1, 8 * _AHEAD_BYTES // (bits * depth * streams)) if bits < HALF else streams
    count, starts, places = _lay_out(picked, low, high, stride, first, rows, depth, streams, ahead)
    if bits == NATIVE:
        _products(floats(weight, total), starts, count, x_values, values.reshape(-1), places, plane)
    elif bits == HALF:
        met = x_values, x_values, x_values
        products((weight, scales, format), starts, count, ahead, depth, met, values, places, plane)
    else:
        met = vectors(x_values, bits)
        products((weight, scales, format), starts, count, ahead, depth, met, values, places, plane)
    for token in range(tokens):
        result, factors = results[token * units :], gate_values[token * gates :]
        _finish_vector(
            values[token], first // depth, stride // depth, bias_values, mode, kind, factors, picked, low, result
        )  # fmt: skip


@named_part()
def _pack(arguments, part, parts):  # type: ignore[no-untyped-def]
    x, tokens, filled, lanes, depth, packed = apart(arguments, 6)
    values, groups = floats(x, tokens * filled), (tokens + lanes - 1) // lanes
    out = floats(packed, groups * depth * lanes).reshape(groups, depth, lanes)
    low, high = part * depth // parts, (part + 1) * depth // parts
    for group in range(groups):
        for lane in range(lanes):
            token = group * lanes + lane
            for k in range(low, high):
                out[group, k, lane] = values[token * filled + k] if token < tokens and k < filled else _F(0.0)


@njit
def pack(x, tokens, filled, lanes, depth, threads):  # type: ignore[no-untyped-def]
    """``x[tokens, filled]`` -> ``[groups, depth, lanes]``: tokens side by side, for tiles to load as vectors.

    A flat array, padded by zeros; ``x`` by its address.
    """
    packed = np.empty((tokens + lanes - 1) // lanes * depth * lanes, np.float32)
    in_parts(_pack(), together((x, tokens, filled, lanes, depth, address_of(packed))), threads)
    return packed


@named_part()
def _meet(arguments, part, parts):  # type: ignore[no-untyped-def]
    """Each token as codes of ``bits`` meet it."""
    x, tokens, depth, bits, met = apart(arguments, 5)
    values, results = floats(x, tokens * depth), floats(met, tokens * depth)
    for token in range(part * tokens // parts, (part + 1) * tokens // parts):
        at = token * depth
        as_met(values[at : at + depth], bits, results[at : at + depth])


@njit
def _multiply_block(weight, offsets, count, packed, group, depth, lanes, values):  # type: ignore[no-untyped-def]
    """``values[:count, :lanes]`` = the rows at ``offsets`` times one group of tokens.

    ``offsets`` goes on for as many rows as a tile takes, to be fetched ahead.
    """
    at, out, done = group * depth * lanes, values.reshape(-1), 0
    while done + WIDE_ROWS <= count:
        _tile(weight, offsets, done, packed, at, lanes, out, done * lanes, lanes, depth)
        done += WIDE_ROWS
    while done < count:
        _row(weight, offsets, done, packed, at, lanes, out, done * lanes, lanes, depth)
        done += 1


@njit
def _multiply_unpacked(rows, places, count, packed, group, depth, lanes, values, next, bits):  # type: ignore[no-untyped-def]
    """As :func:`_multiply_block`, while stored rows, at addresses ``next`` and of ``bits`` a weight, are fetched."""
    at, out, done = group * depth * lanes, values.reshape(-1), 0
    while done + WIDE_ROWS <= count:
        _tile_of_unpacked(rows, places, done, packed, at, lanes, out, done * lanes, lanes, depth, next, bits)
        done += WIDE_ROWS
    while done < count:
        _row_of_unpacked(rows, places, done, packed, at, lanes, out, done * lanes, lanes, depth, next, bits)
        done += 1


@njit(fastmath=True, error_model="numpy")
def _finish_block(values, units, rows, mode, kind, gate, active, base, token, lanes, out):  # type: ignore[no-untyped-def]
    """Activate, multiply the two rows of a unit, and write ``out[token:token+lanes, base:base+units]``."""
    tokens = min(lanes, out.shape[0] - token)
    if mode == ACTIVATE:
        _activate(values, units, rows, lanes, kind)
    if rows == 2:
        for i in range(units):
            for lane in range(lanes):
                values[2 * i, lane] *= values[2 * i + 1, lane]
    for lane in range(tokens):
        for i in range(units):
            out[token + lane, base + i] = values[i * rows, lane]
    if mode == SCALE:
        for lane in range(tokens):
            for i in range(units):
                out[token + lane, base + i] *= gate[token + lane, unit(active, base + i)]


@named_part()
def _by_packed(arguments, part, parts):  # type: ignore[no-untyped-def]
    """As :func:`_by_vectors`, times many tokens: ``x`` is of :func:`pack`."""
    (
        weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode, kind,
        x, tokens, out,
    ) = apart(arguments, _ARGUMENTS)  # fmt: skip
    bits, groups, lanes = bits_of(format), (tokens + TOKENS - 1) // TOKENS, TOKENS
    packed, picked, bias_values = floats(x, groups * depth * lanes), integers(active, units), floats(bias, biases)
    gate_values = floats(gate, tokens * gates).reshape(tokens if gate != NOTHING else 0, gates)
    results = floats(out, tokens * units).reshape(tokens, units)
    block = max(8, min(64, _BLOCK_BYTES // (4 * depth * rows) // 8 * 8))
    low, high = part * units // parts, (part + 1) * units // parts
    offsets = np.empty(block * rows + MOST_ROWS, np.int64)
    places, following = np.arange(block * rows + MOST_ROWS) * depth, np.empty(block * rows, np.int64)
    unpacked = np.empty((block * rows + MOST_ROWS) * depth if bits != NATIVE else 0, np.float32)
    block_rows, block_at = (floats(weight, total), offsets) if bits == NATIVE else (unpacked, places)
    values = np.empty((block * rows, lanes), np.float32)
    for base in range(low, high, block):
        count = min(block, high - base)
        for i in range(count * rows + MOST_ROWS):
            offsets[i] = unit(picked, min(base + i // rows, high - 1)) * stride + first + i % rows * depth
        if bits != NATIVE:
            unpack_rows((weight, scales, format), offsets, count * rows, depth, unpacked)
            for i in range(count * rows):
                ahead = unit(picked, min(base + count + i // rows, high - 1)) * stride + first + i % rows * depth
                following[i] = weight + ahead * bits // 8
        for number in range(groups):
            if bits == NATIVE:
                _multiply_block(block_rows, block_at, count * rows, packed, number, depth, lanes, values)
            else:
                _multiply_unpacked(
                    block_rows, block_at, count * rows, packed, number, depth, lanes, values, following, bits
                )  # fmt: skip
            if bias_values.shape[0]:
                for i in range(count * rows):
                    for lane in range(lanes):
                        values[i, lane] += bias_values[offsets[i] // depth]
            _finish_block(
                values, count, rows, mode, kind, gate_values, picked, base, number * lanes, lanes, results
            )  # fmt: skip


@named_part()
def _by_matrix_units(arguments, part, parts):  # type: ignore[no-untyped-def]
    """As :func:`_by_vectors`, of all units, in order, times many tokens: ``x`` is of :func:`~cpu_amx.split`."""
    (
        weight, _, format, _, stride, first, rows, depth, units, _, bias, biases, gate, gates, mode, kind, x, tokens,
        out,
    ) = apart(arguments, _ARGUMENTS)  # fmt: skip
    groups, block, steps = (tokens + TOKENS - 1) // TOKENS, cpu_amx.ROWS // rows, depth // cpu_amx.DEPTH
    picked, bias_values = integers(NOTHING, 0), floats(bias, biases)
    gate_values = floats(gate, tokens * gates).reshape(tokens if gate != NOTHING else 0, gates)
    results = floats(out, tokens * units).reshape(tokens, units)
    low, high, row_bytes = part * units // parts, (part + 1) * units // parts, 2 * stride // rows
    values, small = np.empty((cpu_amx.ROWS, TOKENS), np.float32), np.empty((cpu_amx.ROWS, TOKENS), np.float32)
    for number in range((high - low + block - 1) // block):
        base = min(low + number * block, high - block)  # the last units may be computed twice
        here, following = weight + 2 * (base * stride + first), min(base + block, high - block) * stride + first
        for group in range(groups):
            packed = x + group * steps * cpu_amx.PARTS * cpu_amx.DEPTH * TOKENS * 2
            multiplied = together((
                here, row_bytes, packed, steps, address_of(values), address_of(small), weight + 2 * following,
            ))  # fmt: skip
            in_parts(tiles_of(format), multiplied, 1)
            if bias_values.shape[0]:
                for i in range(block * rows):
                    added = bias_values[(base * stride + first) // depth + i // rows * (stride // depth) + i % rows]
                    for lane in range(TOKENS):
                        values[i, lane] += added
            _finish_block(
                values, block, rows, mode, kind, gate_values, picked, base, group * TOKENS, TOKENS, results
            )  # fmt: skip
    hold(values)
    hold(small)


@njit("void(" + ", ".join(["int64"] * 20) + ")", cache=True)
def rows_product(  # type: ignore[no-untyped-def]
    weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode, kind, x,
    tokens, out, threads,
):  # fmt: skip
    """``x[tokens, depth]`` times the rows of ``units`` units, finished by ``mode``: ``out[tokens, units]``.

    All arguments are integers, arrays by their addresses. Unit u owns ``rows`` rows from ``u * stride + first`` of
    the ``total`` weights, which are what :func:`~sirius_kernels.cpu_quant.stored` says. ``active[units]`` picks units
    (:data:`~sirius_kernels.cpu_memory.NOTHING`: all); ``bias[biases]`` is by row; ``gate[tokens, gates]`` is read in
    mode ``SCALE`` alone.
    """
    if tokens == 0 or units == 0:
        return
    bits = bits_of(format)
    in_order = active == NOTHING and (rows == 1 or stride == rows * depth)
    fits = in_order and depth % cpu_amx.DEPTH == 0 and units // threads * rows >= cpu_amx.ROWS
    by_matrix_units = fits and tiles_of(format) != 0 and tokens >= _SEVERAL
    few = _FEW if bits == NATIVE else _FEW_OF_HALVES if bits == HALF else _FEW_OF_CODES
    if tokens <= few and not by_matrix_units:
        arguments = together((
            weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode,
            kind, x, tokens, out,
        ))  # fmt: skip
        in_parts(_by_vectors(), arguments, threads)
        return
    if by_matrix_units:
        split = np.zeros((tokens + TOKENS - 1) // TOKENS * TOKENS * depth * cpu_amx.PARTS, np.int16)
        in_parts(cpu_amx.split(), together((x, tokens, depth, address_of(split))), threads)
        arguments = together((
            weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode,
            kind, address_of(split), tokens, out,
        ))  # fmt: skip
        in_parts(_by_matrix_units(), arguments, threads)
        hold(split)
        return
    met = np.empty(tokens * depth if bits < HALF else 0, np.float32)
    if bits < HALF:
        in_parts(_meet(), together((x, tokens, depth, bits, address_of(met))), threads)
    packed = pack(address_of(met) if bits < HALF else x, tokens, depth, TOKENS, depth, threads)
    arguments = together((
        weight, scales, format, total, stride, first, rows, depth, units, active, bias, biases, gate, gates, mode, kind,
        address_of(packed), tokens, out,
    ))  # fmt: skip
    in_parts(_by_packed(), arguments, threads)
    hold(met)
    hold(packed)
