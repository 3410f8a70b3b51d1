"""Register tiles: the inner loop of products of many weight rows with many tokens.

A tile keeps ``rows`` vectors of sums in registers and for each step of the depth loop multiplies ``rows`` broadcast
scalars by a loaded vector, so every number loaded is used several times.
"""

from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import LANES, MANY_REGISTERS, Emitter

__all__ = ["LANES", "MOST_ROWS", "TOKENS", "WIDE_ROWS", "make_tile"]
TOKENS: Final = 2 * LANES  # of a wide tile
# A processor multiplies two vectors at a time and each takes four cycles, so eight sums keep it busy. Half as many rows
# where sixteen numbers are two vectors: there eight rows would not leave a register.
WIDE_ROWS: Final = 8 if MANY_REGISTERS else 4
MOST_ROWS: Final = 8  # of one tile
_UNROLL = 8


def make_tile(rows: int, lanes: int, *, prefetch: bool) -> Callable[..., None]:
    """A function for use in compiled code that computes one tile of ``scalars @ vectors``.

    ``tile(a, a_at, a_from, b, b_from, b_step, out, out_at, out_step, depth)`` computes, in elements of flat
    fp32 arrays, ``out[out_at + r * out_step + lane] = sum_k a[a_at[a_from + r] + k] * b[b_from + k * b_step + lane]``
    for ``rows`` r and ``lanes`` lanes. ``a_at`` is an ``int64`` array. With ``prefetch`` the next ``rows`` rows
    that it lists, which must be there, are fetched meanwhile.
    """

    @intrinsic
    def tile(typingctx, a, a_at, a_from, b, b_from, b_step, out, out_at, out_step, depth):  # type: ignore[no-untyped-def]
        index = types.intp
        signature = types.void(a, a_at, index, b, index, index, out, index, index, index)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            a, a_at, b, out = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (0, 1, 3, 6))
            _, _, a_from, _, b_from, b_step, _, out_at, out_step, depth = args
            emit = Emitter(builder, lanes)
            offsets = [emit.move(a_at, a_from, emit.number(r)) for r in range(2 * rows if prefetch else rows)]
            pointers = [emit.move(a, builder.load(offset)) for offset in offsets]
            scalars, following = pointers[:rows], pointers[rows:]
            sums = [emit.slot() for _ in range(rows)]
            for total in sums:
                builder.store(emit.zeros(), total)
            column = emit.move(b, b_from)
            whole = emit.whole(depth, _UNROLL)
            with emit.loop(emit.number(0), whole, _UNROLL) as k:
                for pointer in following:
                    emit.prefetch(emit.move(pointer, k))
                for step in range(_UNROLL):
                    _multiply(emit, scalars, column, b_step, builder.add(k, emit.number(step)), sums)
            with emit.loop(whole, depth, 1) as k:
                _multiply(emit, scalars, column, b_step, k, sums)
            for r, total in enumerate(sums):
                emit.store(builder.load(total), emit.move(out, out_at, builder.mul(out_step, emit.number(r))))
            return context.get_dummy_value()

        return signature, codegen

    return tile  # type: ignore[no-any-return]


def _multiply(emit: Emitter, scalars: list[Any], column: Any, step: Any, k: Any, sums: list[Any]) -> None:
    """Add row ``k`` of the vectors times element ``k`` of every row of scalars."""
    builder = emit.builder
    vector = emit.load(emit.move(column, builder.mul(k, step)))
    for pointer, total in zip(scalars, sums, strict=True):
        scalar = emit.broadcast(builder.load(emit.move(pointer, k)))
        builder.store(emit.fma(scalar, vector, builder.load(total)), total)
