"""Loops that stream weight rows from memory once, in order, and say which rows come next.

The processor's own prefetcher follows a row but neither skips to the next picked one nor crosses a page, so rows of a
few kilobytes picked here and there would be read at half the speed of memory. These loops fetch the next row while
they use this one.
"""

from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import LANES, MANY_REGISTERS, Emitter

_SUMS = 4  # independent sums, so that an addition need not wait for the one before it
ADD_ROWS: Final = 8 if MANY_REGISTERS else 4  # that `add_rows` reads side by side, each in registers
ADD_COLUMNS: Final = 2 * LANES  # its step along a row: one cache line


def make_dot(*, prefetch: bool) -> Callable[..., float]:
    """A function for use in compiled code: ``dot(rows, at, x, depth, following)`` of flat fp32 arrays.

    It is ``sum_k rows[at + k] * x[k]``. With ``prefetch`` as many elements from ``following`` on are fetched meanwhile;
    rows that simply follow each other are better left to the processor.
    """

    @intrinsic
    def dot(typingctx, rows, at, x, depth, following):  # type: ignore[no-untyped-def]
        signature = types.float32(rows, types.intp, x, types.intp, types.intp)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            rows, x = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (0, 2))
            _, at, _, depth, following = args
            emit, step = Emitter(builder), _SUMS * LANES
            row, coming, sums = emit.move(rows, at), emit.move(rows, following), [emit.slot() for _ in range(_SUMS)]
            for total in sums:
                builder.store(emit.zeros(), total)
            whole = emit.whole(depth, step)
            with emit.loop(emit.number(0), whole, step) as k:
                if prefetch:
                    emit.prefetch(emit.move(coming, k), lines=step // ADD_COLUMNS)
                for v, total in enumerate(sums):
                    a, b = emit.load(emit.move(row, k), v), emit.load(emit.move(x, k), v)
                    builder.store(emit.fma(a, b, builder.load(total)), total)
            a, b, c, d = (builder.load(total) for total in sums)
            result = emit.scalar_slot()
            builder.store(emit.sum(builder.fadd(builder.fadd(a, b), builder.fadd(c, d))), result)
            with emit.loop(whole, depth, 1) as k:
                product = builder.fmul(builder.load(emit.move(row, k)), builder.load(emit.move(x, k)))
                builder.store(builder.fadd(builder.load(result), product), result)
            return builder.load(result)

        return signature, codegen

    return dot  # type: ignore[no-any-return]


@intrinsic
def add_rows(typingctx, rows, at, first, column, columns, scales, scale_at, scale_step, tokens, out, out_at, out_step):  # type: ignore[no-untyped-def]
    """Add :data:`ADD_ROWS` weight rows, scaled for every token, to the tokens' sums.

    ``out[out_at + t * out_step + c] += sum_r scales[scale_at + r * scale_step + t] * rows[at[first + r] + column + c]``
    for those rows r, ``tokens`` t and ``columns`` c (a multiple of 16), in elements of flat fp32 arrays. ``at`` is an
    ``int64`` array; as many rows after these are fetched meanwhile.
    """
    index = types.intp
    signature = types.void(rows, at, index, index, index, scales, index, index, index, out, index, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, at, scales, out = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (0, 1, 5, 9))
        _, _, first, column, columns, _, scale_at, scale_step, tokens, _, out_at, out_step = args
        emit = Emitter(builder, ADD_COLUMNS)
        starts = [builder.load(emit.move(at, first, emit.number(r))) for r in range(2 * ADD_ROWS)]
        streams = [emit.move(rows, start, column) for start in starts]
        factors = [emit.move(scales, scale_at, builder.mul(scale_step, emit.number(r))) for r in range(ADD_ROWS)]
        target = emit.move(out, out_at)
        with emit.loop(emit.number(0), columns, ADD_COLUMNS) as c:
            for stream in streams[ADD_ROWS:]:
                emit.prefetch(emit.move(stream, c))
            weights = [emit.load(emit.move(stream, c)) for stream in streams[:ADD_ROWS]]
            with emit.loop(emit.number(0), tokens, 1) as t:
                sums = emit.move(target, builder.mul(t, out_step), c)
                total = emit.load(sums)
                for factor, weight in zip(factors, weights, strict=True):
                    total = emit.fma(emit.broadcast(builder.load(emit.move(factor, t))), weight, total)
                emit.store(total, sums)
        return context.get_dummy_value()

    return signature, codegen
