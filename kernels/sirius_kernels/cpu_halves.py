"""Weight rows of 16 bits for compiled code: products with them, in fp32.

A number of 16 bits is one of 32 bits exactly, so results are those of fp32 weights, from half of the memory. A vector
of them costs one or two instructions more than one of fp32, where memory has them wait anyway.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import FLOAT, I16, KINDS, LANES, MANY_REGISTERS, Emitter
from sirius_kernels.cpu_memory import floats, long_integers, short_integers
from sirius_kernels.cpu_parts import apart, part
from sirius_kernels.cpu_stream import ADD_COLUMNS, ADD_ROWS, DOT_ROWS, add_rows, dots

_WIDE = 2 * LANES if MANY_REGISTERS else LANES
_NUMBER = 4  # bytes


def make_products(kind: int) -> Any:
    """Rows times tokens; the arguments are those of codes, of which scales, sizes and origins say nothing here."""

    @part()
    def products(arguments, part, parts):  # type: ignore[no-untyped-def]
        weights, _, starts, count, ahead, depth, x, _, _, _, tokens, out, places, step = apart(arguments, 14)
        rows, at = short_integers(weights, 1), long_integers(starts, count + ahead)
        values, results, targets = (
            floats(x, 1),
            floats(out, 1),
            long_integers(places, count),
        )  # of what size is no matter
        for first in range(0, count, DOT_ROWS):
            token = 0
            while token + 4 <= tokens:
                dots(kind, 4, rows, at, first, values, token, depth, results, targets, step)
                token += 4
            if token + 2 <= tokens:
                dots(kind, 2, rows, at, first, values, token, depth, results, targets, step)
                token += 2
            if token < tokens:
                dots(kind, 1, rows, at, first, values, token, depth, results, targets, step)

    return products


def make_sums(kind: int) -> Any:
    """Rows times a number each, added up."""

    @part()
    def sums(arguments, part, parts):  # type: ignore[no-untyped-def]
        weights, _, starts, count, factors, out, width = apart(arguments, 7)
        rows, at, scales, results = (
            short_integers(weights, 1),
            long_integers(starts, count + ADD_ROWS),
            floats(factors, count),
            floats(out, width),
        )
        columns = width // ADD_COLUMNS * ADD_COLUMNS
        for first in range(0, count, ADD_ROWS):
            add_rows(kind, rows, at, first, 0, columns, scales, first, 1, 1, results, 0, width)
        for row in range(count if columns < width else 0):
            for k in range(columns, width):
                results[k] += scales[row] * _number(kind, weights, at[row] + k)

    return sums


def make_block(kind: int) -> Any:
    """Columns ``low:low + width`` of rows, scaled for every token and added up: see ``mlp/cpu.py``."""

    @part()
    def block(arguments, part, parts):  # type: ignore[no-untyped-def]
        weights, starts, depth, low, width, scales, step, tokens, out, out_step = apart(arguments, 10)
        rows, at = short_integers(weights, 1), long_integers(starts, depth + ADD_ROWS)
        factors, sums, columns = floats(scales, 1), floats(out, 1), width // ADD_COLUMNS * ADD_COLUMNS
        for j in range(0, depth, ADD_ROWS):
            add_rows(kind, rows, at, j, low, columns, factors, j * step, step, tokens, sums, 0, out_step)
        for token in range(tokens if columns < width else 0):
            for j in range(depth):
                for k in range(columns, width):
                    sums[token * out_step + k] += factors[j * step + token] * _number(kind, weights, at[j] + low + k)

    return block


def make_unpack(kind: int) -> Any:
    """Rows as fp32."""

    @part()
    def unpack(arguments, part, parts):  # type: ignore[no-untyped-def]
        weights, _, starts, count, out, depth = apart(arguments, 6)
        first_weights = long_integers(starts, count)
        for i in range(count):
            _widen(kind, weights, first_weights[i], out + i * depth * _NUMBER, depth)

    return unpack


@intrinsic(prefer_literal=True)
def _number(typingctx, kind, weights, at):  # type: ignore[no-untyped-def]
    """One weight; by address and place."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(builder, 1)
        place = emit.move(builder.inttoptr(args[1], I16.as_pointer()), args[2])
        return emit.load_weight(KINDS[kind.literal_value], place)

    return types.float32(kind, types.int64, types.int64), codegen


@intrinsic(prefer_literal=True)
def _widen(typingctx, kind, weights, at, out, count):  # type: ignore[no-untyped-def]
    """``count`` weights as fp32; by addresses and place."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, stored = Emitter(builder, _WIDE), KINDS[kind.literal_value]
        source = emit.move(builder.inttoptr(args[1], I16.as_pointer()), args[2])
        target, whole = builder.inttoptr(args[3], FLOAT.as_pointer()), emit.whole(args[4], _WIDE)
        with emit.loop(emit.number(0), whole, _WIDE) as k:
            emit.store(emit.load_weights(stored, emit.move(source, k)), emit.move(target, k))
        with emit.loop(whole, args[4], 1) as k:
            builder.store(emit.load_weight(stored, emit.move(source, k)), emit.move(target, k))
        return context.get_dummy_value()

    return types.void(kind, *[types.int64] * 4), codegen
