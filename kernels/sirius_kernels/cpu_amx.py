"""bfloat16 rows times sixteen tokens on matrix units (AMX), as exactly as in fp32.

The units multiply bfloat16 and add up in fp32. Weights are such numbers; an activation is the sum of three of them,
which hold its 24 bits, so three products give what one of fp32 would. A unit does sixteen times the work of a vector
instruction, and the three leave a product bound by memory where vectors were bound by arithmetic.
"""

import functools
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import FLOAT, I8, I32, Emitter
from sirius_kernels.cpu_memory import floats
from sirius_kernels.cpu_parts import apart, named_part, part

ROWS: Final = 32  # of weights that are multiplied at once
DEPTH: Final = 32  # numbers of a row in a tile
TOKENS: Final = 16  # of a tile
PARTS: Final = 3  # numbers of 8 bits of precision that hold one of 24
_TILE: Final = 1024  # bytes
_LINE: Final = 64
_NUMBER: Final = 4


def make_tiles() -> Any:
    """``values[ROWS, TOKENS]`` = that many rows of weights times a group of tokens that :func:`split` has packed.

    Arguments: where the first row begins, bytes from row to row, the packed group, tiles of a row, ``values``, scratch
    of the same size, and where the first of the rows begins that are to be fetched meanwhile.
    """

    @part()
    def tiles(arguments, part, parts):  # type: ignore[no-untyped-def]
        rows, stride, packed, steps, values, small, following = apart(arguments, 7)
        _multiply(rows, stride, packed, steps, values, small, following)
        results, rest = floats(values, ROWS * TOKENS), floats(small, ROWS * TOKENS)
        for i in range(ROWS * TOKENS):
            results[i] += rest[i]

    return tiles


class _Tiles(Emitter):
    """Instructions on the eight tiles, by number."""

    def _call(self, name: str, *arguments: Any) -> None:
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        self.builder.call(self._declare(kind, f"llvm.x86.{name}"), arguments)

    def configure(self) -> None:
        """All of sixteen rows of 64 bytes."""
        setting = bytearray(64)
        setting[0] = 1
        for tile in range(8):
            setting[16 + 2 * tile], setting[48 + tile] = 64, 16
        kind = ir.ArrayType(I8, len(setting))
        place = cgutils.global_constant(self.builder.module, "sirius.tiles", ir.Constant(kind, setting))
        self._call("ldtilecfg", self.builder.bitcast(place, I8.as_pointer()))

    def clear(self, tile: int) -> None:
        self._call("tilezero", ir.Constant(I8, tile))

    def fill(self, tile: int, pointer: Any, stride: Any) -> None:
        self._call("tileloadd64", ir.Constant(I8, tile), pointer, stride)

    def keep(self, tile: int, pointer: Any, stride: Any) -> None:
        self._call("tilestored64", ir.Constant(I8, tile), pointer, stride)

    def add_product(self, sums: int, rows: int, tokens: int) -> None:
        self._call("tdpbf16ps", *(ir.Constant(I8, tile) for tile in (sums, rows, tokens)))

    def leave(self) -> None:
        self._call("tilerelease")


@intrinsic
def _multiply(typingctx, rows, stride, packed, steps, values, small, following):  # type: ignore[no-untyped-def]
    """Into ``values`` go products with the largest part of each activation, into ``small`` those with the other two.

    So two chains of sums are under way for either half of the rows, and small numbers meet large ones last.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Tiles(builder)
        rows, stride, packed, steps, values, small, following = args
        pointer = functools.partial(builder.inttoptr, typ=I8.as_pointer())
        half, line = emit.number(16), emit.number(_LINE)
        upper = builder.mul(half, stride)
        emit.configure()
        for tile in range(4):
            emit.clear(tile)
        with emit.loop(emit.number(0), steps, 1) as step:
            along = builder.mul(step, line)
            here, there = builder.add(rows, along), builder.add(following, along)
            tokens = builder.add(packed, builder.mul(step, emit.number(PARTS * _TILE)))
            for row in range(ROWS):
                emit.prefetch(pointer(builder.add(there, builder.mul(stride, emit.number(row)))))
            emit.fill(4, pointer(here), stride)
            emit.fill(5, pointer(builder.add(here, upper)), stride)
            for number in range(PARTS):
                at = pointer(builder.add(tokens, emit.number(number * _TILE)))
                emit.fill(6 + number % 2, at, line)
                sums = 0 if number == 0 else 2
                emit.add_product(sums, 4, 6 + number % 2)
                emit.add_product(sums + 1, 5, 6 + number % 2)
        for tile, place in enumerate((values, values, small, small)):
            emit.keep(tile, pointer(builder.add(place, emit.number(tile % 2 * _TILE))), line)
        emit.leave()
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), codegen


@intrinsic
def _split_line(typingctx, numbers, out):  # type: ignore[no-untyped-def]
    """A token's ``DEPTH`` numbers at one address into its column of ``PARTS`` tiles at another."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, pairs = Emitter(builder, DEPTH // 2), range(DEPTH // 2)
        source, words = builder.inttoptr(args[0], FLOAT.as_pointer()), builder.inttoptr(args[1], I32.as_pointer())
        loaded = [emit.load(source, half) for half in range(2)]
        lanes = ir.VectorType(I32, len(pairs))
        left = [
            builder.shuffle_vector(*loaded, ir.Constant(lanes, [2 * pair + odd for pair in pairs])) for odd in range(2)
        ]
        for number in range(PARTS):
            parts = [_rounded(emit, value) for value in left]
            left = [builder.fsub(value, emit.as_floats(bits)) for value, bits in zip(left, parts, strict=True)]
            both = builder.or_(emit.shift_right(parts[0], 16), parts[1])
            for pair in pairs:
                place = emit.move(words, emit.number((number * len(pairs) + pair) * TOKENS))
                builder.store(builder.extract_element(both, ir.Constant(I32, pair)), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _rounded(emit: Emitter, values: Any) -> Any:
    """The nearest bfloat16 of each, as the bits of fp32 numbers; ties go to the even one."""
    builder, bits = emit.builder, emit.builder.bitcast(values, ir.VectorType(I32, emit.lanes))
    half = ir.Constant(bits.type, [0x7FFF] * emit.lanes)
    even = emit.both(emit.shift_right(bits, 16), 1)
    return emit.both(builder.add(bits, builder.add(half, even)), 0xFFFF0000)


@named_part()
def split(arguments, part, parts):  # type: ignore[no-untyped-def]
    """Tokens ``x[tokens, depth]`` for tiles: ``bf16[groups, depth / 32, PARTS, 16, TOKENS, 2]``, of zeros so far.

    A tile has two neighbours of a row side by side for each token.
    """
    x, tokens, depth, packed = apart(arguments, 4)
    steps = depth // DEPTH
    for step in range(part * steps // parts, (part + 1) * steps // parts):
        for token in range(tokens):
            tile = (token // TOKENS * steps + step) * PARTS
            _split_line(x + (token * depth + step * DEPTH) * _NUMBER, packed + tile * _TILE + token % TOKENS * _NUMBER)
