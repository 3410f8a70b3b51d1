"""Loops that stream weight rows from memory once, in order, and say which rows come next.

The processor's own prefetcher follows a row but neither skips to the next picked one nor crosses a page, so rows of a
few kilobytes picked here and there would be read at half the speed of memory. These loops read several rows side by
side and fetch the next ones meanwhile, which is faster than the processor's own way through rows that follow each other
too: more is under way at once.
"""

import itertools
from typing import Any, Final

from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import KINDS, LANES, MANY_REGISTERS, Emitter

DOT_ROWS: Final = 4 if MANY_REGISTERS else 2
"""Rows that :func:`dots` reads side by side: times four tokens, their sums fill half of the registers."""
_WIDE: Final = 2 * LANES if MANY_REGISTERS else LANES  # lanes of a register
_LINE: Final = 16  # numbers of a cache line
ADD_ROWS: Final = 8 if MANY_REGISTERS else 4  # that `add_rows` reads side by side, each in registers
ADD_COLUMNS: Final = 2 * _WIDE  # its step along a row: what a token's scale is loaded for serves two registers


@intrinsic(prefer_literal=True)
def dots(typingctx, kind, tokens, rows, at, first, x, token, depth, out, places, step):  # type: ignore[no-untyped-def]
    """:data:`DOT_ROWS` rows times ``tokens`` tokens, of flat arrays; ``kind`` and ``tokens`` are literals.

    ``out[places[first + r] + (token + t) * step] = sum_k rows[at[first + r] + k] * x[(token + t) * depth + k]`` for
    those rows r and tokens t. ``at`` and ``places`` are ``int64`` arrays; as many rows after these, which must be
    there, are fetched meanwhile. All else is fp32, but ``rows`` are ``int16`` where ``KINDS[kind]`` has 16 bits.
    """
    stored, count, index = KINDS[kind.literal_value], tokens.literal_value, types.intp
    signature = types.void(kind, tokens, rows, at, index, x, index, index, out, places, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, at, x, out, places = (
            context.make_array(sig.args[i])(context, builder, args[i]).data for i in (2, 3, 5, 8, 9)
        )
        first, token, depth, step = (args[i] for i in (4, 6, 7, 10))
        emit = Emitter(builder, _WIDE)
        number, move = emit.number, emit.move
        streams = [move(rows, builder.load(move(at, first, number(r)))) for r in range(2 * DOT_ROWS)]
        numbers = [builder.add(token, number(t)) for t in range(count)]
        vectors = [move(x, builder.mul(n, depth)) for n in numbers]
        sums = [[emit.slot() for _ in vectors] for _ in range(DOT_ROWS)]
        for total in itertools.chain(*sums):
            builder.store(emit.zeros(), total)
        whole = emit.whole(depth, _WIDE)
        with emit.loop(number(0), whole, _WIDE) as k:
            for stream in streams[DOT_ROWS:]:
                emit.prefetch(move(stream, k))
            values = [emit.load(move(vector, k)) for vector in vectors]
            for stream, totals in zip(streams, sums, strict=False):
                weight = emit.load_weights(stored, move(stream, k))
                for value, total in zip(values, totals, strict=True):
                    builder.store(emit.fma(weight, value, builder.load(total)), total)
        for r, (stream, totals) in enumerate(zip(streams, sums, strict=False)):
            place = move(out, builder.load(move(places, first, number(r))))
            for n, vector, total in zip(numbers, vectors, totals, strict=True):
                result = move(place, builder.mul(n, step))
                builder.store(emit.sum(builder.load(total)), result)
                with emit.loop(whole, depth, 1) as k:
                    product = builder.fmul(emit.load_weight(stored, move(stream, k)), builder.load(move(vector, k)))
                    builder.store(builder.fadd(builder.load(result), product), result)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic(prefer_literal=True)
def add_rows(  # type: ignore[no-untyped-def]
    typingctx, kind, rows, at, first, column, columns, scales, scale_at, scale_step, tokens, out, out_at, out_step
):
    """Add :data:`ADD_ROWS` weight rows, scaled for every token, to the tokens' sums; ``kind`` is a literal.

    ``out[out_at + t * out_step + c] += sum_r scales[scale_at + r * scale_step + t] * rows[at[first + r] + column + c]``
    for those rows r, ``tokens`` t and ``columns`` c (a multiple of :data:`ADD_COLUMNS`), in elements of flat fp32
    arrays; ``rows`` are ``int16`` where ``KINDS[kind]`` has 16 bits. ``at`` is an ``int64`` array; as many rows after
    these are fetched meanwhile.
    """
    stored, index = KINDS[kind.literal_value], types.intp
    signature = types.void(kind, rows, at, index, index, index, scales, index, index, index, out, index, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, at, scales, out = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (1, 2, 6, 10))
        _, _, _, first, column, columns, _, scale_at, scale_step, tokens, _, out_at, out_step = args
        emit = Emitter(builder, _WIDE)
        starts = [builder.load(emit.move(at, first, emit.number(r))) for r in range(2 * ADD_ROWS)]
        streams = [emit.move(rows, start, column) for start in starts]
        factors = [emit.move(scales, scale_at, builder.mul(scale_step, emit.number(r))) for r in range(ADD_ROWS)]
        target = emit.move(out, out_at)
        vectors = range(ADD_COLUMNS // _WIDE)
        with emit.loop(emit.number(0), columns, ADD_COLUMNS) as c:
            for stream in streams[ADD_ROWS:]:
                for line in range(0, ADD_COLUMNS, _LINE):
                    emit.prefetch(emit.move(stream, c, emit.number(line)))
            weights = [
                [emit.load_weights(stored, emit.move(stream, c), v) for v in vectors] for stream in streams[:ADD_ROWS]
            ]
            with emit.loop(emit.number(0), tokens, 1) as t:
                sums = emit.move(target, builder.mul(t, out_step), c)
                totals = [emit.load(sums, v) for v in vectors]
                for factor, row in zip(factors, weights, strict=True):
                    scale = emit.broadcast(builder.load(emit.move(factor, t)))
                    totals = [emit.fma(scale, weight, total) for weight, total in zip(row, totals, strict=True)]
                for v, total in enumerate(totals):
                    emit.store(total, sums, v)
        return context.get_dummy_value()

    return signature, codegen
