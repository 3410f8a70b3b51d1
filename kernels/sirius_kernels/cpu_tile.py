"""Register tiles: the inner loop of products of many weight rows with many tokens.

A tile keeps ``rows`` vectors of sums in registers and for each step of the depth loop multiplies ``rows`` broadcast
scalars by a loaded vector, so every number loaded is used several times.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import I8, LANES, MANY_REGISTERS, Emitter

__all__ = ["LANES", "MOST_ROWS", "TOKENS", "WIDE_ROWS", "make_tile", "make_tile_of_unpacked"]
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
            a_at, a_from = context.make_array(sig.args[1])(context, builder, args[1]).data, args[2]
            emit = Emitter(builder, lanes)
            offsets = [emit.move(a_at, a_from, emit.number(r)) for r in range(2 * rows if prefetch else rows)]
            a = context.make_array(sig.args[0])(context, builder, args[0]).data
            pointers = [emit.move(a, builder.load(offset)) for offset in offsets]
            fetch = [partial(emit.move, pointer) for pointer in pointers[rows:]]
            _write(context, emit, sig, args, pointers[:rows], fetch)
            return context.get_dummy_value()

        return signature, codegen

    return tile  # type: ignore[no-any-return]


def make_tile_of_unpacked(rows: int, lanes: int) -> Callable[..., None]:
    """As :func:`make_tile`, of rows that have been unpacked, where other stored ones are fetched meanwhile.

    Further arguments are ``int64`` addresses, of which ``next[a_from + r]`` is where row r of those begins, and the
    ``bits`` that they have a number.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typingctx, a, a_at, a_from, b, b_from, b_step, out, out_at, out_step, depth, next, bits
    ):
        index = types.intp
        signature = types.void(a, a_at, index, b, index, index, out, index, index, index, next, index)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            a, a_at, following = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (0, 1, 10))
            a_from, bits, emit = args[2], args[11], Emitter(builder, lanes)
            numbers = [emit.number(r) for r in range(rows)]
            pointers = [emit.move(a, builder.load(emit.move(a_at, a_from, number))) for number in numbers]
            stored = [
                builder.inttoptr(builder.load(emit.move(following, a_from, number)), I8.as_pointer())
                for number in numbers
            ]

            def place(pointer: Any, k: Any) -> Any:
                return emit.move(pointer, builder.lshr(builder.mul(k, bits), emit.number(3)))

            _write(context, emit, sig, args, pointers, [partial(place, pointer) for pointer in stored])
            return context.get_dummy_value()

        return signature, codegen

    return tile  # type: ignore[no-any-return]


def _write(
    context: Any, emit: Emitter, sig: Any, args: Any, scalars: list[Any], fetch: Sequence[Callable[[Any], Any]]
) -> None:
    """The loop of a tile; ``fetch`` say for a step of it what has to be there later."""
    builder = emit.builder
    b, out = (context.make_array(sig.args[i])(context, builder, args[i]).data for i in (3, 6))
    b_from, b_step, out_at, out_step, depth = (args[i] for i in (4, 5, 7, 8, 9))
    sums = [emit.slot() for _ in scalars]
    for total in sums:
        builder.store(emit.zeros(), total)
    column = emit.move(b, b_from)
    whole = emit.whole(depth, _UNROLL)
    with emit.loop(emit.number(0), whole, _UNROLL) as k:
        for place in fetch:
            emit.prefetch(place(k))
        for step in range(_UNROLL):
            _multiply(emit, scalars, column, b_step, builder.add(k, emit.number(step)), sums)
    with emit.loop(whole, depth, 1) as k:
        _multiply(emit, scalars, column, b_step, k, sums)
    for r, total in enumerate(sums):
        emit.store(builder.load(total), emit.move(out, out_at, builder.mul(out_step, emit.number(r))))


def _multiply(emit: Emitter, scalars: list[Any], column: Any, step: Any, k: Any, sums: list[Any]) -> None:
    """Add row ``k`` of the vectors times element ``k`` of every row of scalars."""
    builder = emit.builder
    vector = emit.load(emit.move(column, builder.mul(k, step)))
    for pointer, total in zip(scalars, sums, strict=True):
        scalar = emit.broadcast(builder.load(emit.move(pointer, k)))
        builder.store(emit.fma(scalar, vector, builder.load(total)), total)
