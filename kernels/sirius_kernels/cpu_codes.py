"""Quantised rows written as LLVM vectors: how codes become numbers, and the three loops that use them.

All loops go through a row in *steps* of eight vectors: 128 weights where vectors have sixteen lanes, then what is left
by vectors of eight. 4-bit codes are met in storage order (:mod:`sirius_kernels.quant.matrix`): a vector of words turns
up a vector of codes eight times, and one vector of scales serves them all.

A 4-bit code n becomes the number ``1 + n / 16``: from a table in a register where sixteen numbers fit into one, else by
putting it into the upper bits of a mantissa whose exponent is that of 1. The 16 goes into what the number is multiplied
by; the 1, and the 8 by which codes are raised, are taken off once for all weights that share a scale.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import FLOAT, I8, I16, I32, I64, LANES, MANY_REGISTERS, Emitter
from sirius_kernels.cpu_stream import ADD_ROWS
from sirius_kernels.quant.matrix import BLOCK, Bits

WIDTHS: Final = (2 * LANES, LANES) if MANY_REGISTERS else (LANES,)
"""Lanes of the vectors that go through a row, one kind after the other."""
TOGETHER: Final = WIDTHS[0] // LANES  # blocks of a step of the first kind
VECTORS: Final = 8  # of a step; also the codes of a word
SPAN: Final = np.float32(16.0)  # between the number of a 4-bit code and that of code + 16
ORIGIN: Final = np.float32(1.5)  # the number of the 4-bit code that stands for 0
_NUMBERS: Final = tuple(1.0 + code / 16 for code in range(16))
_MANTISSA: Final = 19  # bits below a code
_ONE_BITS, _CODE_BITS = 0x3F800000, 15 << _MANTISSA
_LINE: Final = 64  # bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of a step's ``vectors``, by number: what ``number(i)`` gives is in units of ``scale``, by lane."""

    scale: Any
    vectors: range
    number: Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Format:
    """Codes of ``bits`` with a scale for every ``group``; offsets of codes are in words (4 bits) or bytes (8 bits)."""

    bits: Bits
    group: int

    @property
    def kind(self) -> Any:
        """Of an element of codes."""
        return I32 if self.bits == 4 else I8

    def parts(self, emit: Emitter, codes: Any, scales: Any, block: Any) -> Iterator[_Part]:
        """The step that begins at number ``block`` of a row's blocks."""
        at = emit.move(codes, self.place(emit, block))
        scale_at = emit.move(scales, self.scale_place(emit, block))
        count = max(1, VECTORS * emit.lanes // self.group)
        if self.bits == 4:
            words = emit.load_words(at)
            yield _Part(emit.bfloat16s(scale_at, count), range(VECTORS), lambda i: _number(emit, words, i))
            return
        each = VECTORS // count
        for part in range(count):
            vectors = range(part * each, (part + 1) * each)
            scale = emit.bfloat16s(emit.move(scale_at, emit.number(part)), 1)
            yield _Part(scale, vectors, lambda i: emit.load_bytes(emit.move(at, emit.number(i * emit.lanes))))

    def fetch(self, emit: Emitter, codes: Any, block: Any) -> None:
        """Fetch the codes of the step."""
        at, itemsize = emit.move(codes, self.place(emit, block)), 4 if self.bits == 4 else 1
        for line in range(0, max(emit.lanes * self.bits, _LINE), _LINE):
            emit.prefetch(emit.move(at, emit.number(line // itemsize)))

    def place(self, emit: Emitter, block: Any) -> Any:
        """Where in a row the codes of ``block`` begin."""
        return emit.builder.mul(block, emit.number(BLOCK if self.bits == 8 else BLOCK // 8))

    def scale_place(self, emit: Emitter, block: Any) -> Any:
        """Where among a row's scales those of ``block`` begin."""
        return emit.builder.udiv(emit.builder.mul(block, emit.number(BLOCK)), emit.number(self.group))


def _number(emit: Emitter, words: Any, nibble: int) -> Any:
    """Nibble ``nibble`` of every word as the fp32 ``1 + n / 16``."""
    if MANY_REGISTERS:
        return emit.look_up(_NUMBERS, emit.shift_right(words, 4 * nibble))
    shift = _MANTISSA - 4 * nibble
    moved = emit.shift_left(words, shift) if shift >= 0 else emit.shift_right(words, -shift)
    return emit.as_floats(emit.either(emit.both(moved, _CODE_BITS), _ONE_BITS))


def _steps(builder: Any, blocks: Any) -> Iterator[tuple[Emitter, Any]]:
    """Write a loop for vectors of each width; what the caller writes for ``(emitter, block)`` is its body."""
    done: Any = Emitter(builder).number(0)
    for lanes in WIDTHS:
        emit, together = Emitter(builder, lanes), lanes // LANES
        end = emit.whole(blocks, together)
        with emit.loop(done, end, together) as block:
            yield emit, block
        done = end


def _pointers(builder: Any, kinds: Sequence[Any], addresses: Sequence[Any]) -> list[Any]:
    return [builder.inttoptr(at, kind.as_pointer()) for kind, at in zip(kinds, addresses, strict=True)]


def _row_places(emit: Emitter, base: Any, places: Any, first: int, count: int) -> list[Any]:
    """Where rows begin: at the offsets ``places[first:first + count]`` from ``base``."""
    found = [emit.builder.load(emit.move(places, emit.number(first + row))) for row in range(count)]
    return [emit.move(base, place) for place in found]


def block_of(emit: Emitter, pointer: Any, block: Any) -> Any:
    """Where ``block`` begins in an array that has an element for each weight."""
    return emit.move(pointer, emit.builder.mul(block, emit.number(BLOCK)))


Activations = tuple[Any, Any, Any]
"""Where ``x``, ``sizes`` and ``origins`` of one token begin."""
Multiply = Callable[[Format, Emitter, Any, tuple[Any, Any], list[Activations], list[Any]], None]
"""``multiply(format, emitter, block, (codes, scales), tokens, totals)`` adds a step's products to each token's slot."""


def dots_of_steps(multiply: Multiply, x_kind: Any, origins_kind: Any) -> Callable[..., None]:
    """Dot products of some rows with some tokens, for compiled code.

    ``dots(bits, group, rows, tokens, codes, scales, at, scale_at, ahead, x, sizes, origins, token, lanes, blocks, out,
    places, step)`` computes ``out[places[r] + (token + t) * step]`` for ``rows`` r and ``tokens`` t. The first four are
    literals; all others are whole numbers, arrays by their addresses. Codes (``int32`` words of 4 bits, ``int8``) of
    row r begin at element ``at[r]``, scales (bfloat16) at ``scale_at[r]``, both ``int64[rows + ahead]``; the codes of
    ``ahead`` rows later are fetched meanwhile. What ``x[N, 64 blocks]``, ``sizes[N, lanes]`` and ``origins[N, lanes]``
    hold is for ``multiply`` to know.
    """

    @intrinsic(prefer_literal=True)
    def dots(  # type: ignore[no-untyped-def]
        typingctx,
        bits,
        group,
        rows,
        tokens,
        codes,
        scales,
        at,
        scale_at,
        ahead,
        x,
        sizes,
        origins,
        token,
        lanes,
        blocks,
        out,
        places,
        step,
    ):
        if not all(isinstance(kind, types.IntegerLiteral) for kind in (bits, group, rows, tokens)):
            return None
        found = Format(bits.literal_value, group.literal_value)
        row_count, token_count = rows.literal_value, tokens.literal_value
        signature = types.void(bits, group, rows, tokens, *[types.int64] * 14)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            codes, scales, at, scale_at, ahead, x, sizes, origins, token, lanes, blocks, out, places, step = args[4:]
            codes, scales, at, scale_at, x, sizes, origins, out, places = _pointers(
                builder,
                (found.kind, I16, I64, I64, x_kind, FLOAT, origins_kind, FLOAT, I64),
                (codes, scales, at, scale_at, x, sizes, origins, out, places),
            )
            ends = [Emitter(builder, width) for width in WIDTHS]
            move, number, depth = ends[0].move, ends[0].number, builder.mul(blocks, ends[0].number(BLOCK))
            numbers = [builder.add(token, number(t)) for t in range(token_count)]
            activations = [
                (move(x, builder.mul(n, depth)), *(move(each, builder.mul(n, lanes)) for each in (sizes, origins)))
                for n in numbers
            ]
            streams = _row_places(ends[0], codes, at, 0, row_count)
            row_scales = _row_places(ends[0], scales, scale_at, 0, row_count)
            following = _row_places(ends[0], codes, move(at, ahead), 0, row_count)
            totals = [[[emit.slot() for _ in numbers] for _ in streams] for emit in ends]
            for emit, slots in zip(ends, totals, strict=True):
                for slot in itertools.chain(*slots):
                    builder.store(emit.zeros(), slot)
            for (emit, block), slots in zip(_steps(builder, blocks), totals, strict=True):
                for stream in following:
                    found.fetch(emit, stream, block)
                for stream, scale, row_slots in zip(streams, row_scales, slots, strict=True):
                    multiply(found, emit, block, (stream, scale), activations, row_slots)
            for r in range(row_count):
                place = move(out, builder.load(move(places, number(r))))
                for t, n in enumerate(numbers):
                    sums = [emit.sum(builder.load(slots[r][t])) for emit, slots in zip(ends, totals, strict=True)]
                    builder.store(functools.reduce(builder.fadd, sums), move(place, builder.mul(n, step)))
            return context.get_dummy_value()

        return signature, codegen

    return dots  # type: ignore[no-any-return]


def _multiply_numbers(
    found: Format, emit: Emitter, block: Any, row: tuple[Any, Any], tokens: list[Activations], totals: list[Any]
) -> None:
    builder = emit.builder
    for part in found.parts(emit, *row, block):
        numbers = [part.number(i) for i in part.vectors]
        for (x, _, origins), total in zip(tokens, totals, strict=True):
            values = block_of(emit, x, block)
            sums = [emit.zeros(), emit.zeros()]  # two: neither waits for long
            if found.bits == 4:
                sums[0] = emit.load(emit.move(origins, builder.mul(block, emit.number(LANES))))
            for i, number in zip(part.vectors, numbers, strict=True):
                sums[i % 2] = emit.fma(number, emit.load(values, i), sums[i % 2])
            builder.store(emit.fma(part.scale, builder.fadd(*sums), builder.load(total)), total)


dots_of_numbers = dots_of_steps(_multiply_numbers, FLOAT, FLOAT)
"""Dot products that turn codes into fp32 numbers: see :func:`dots_of_steps`.

For 4 bits ``x[N, 64 blocks]`` is in storage order times :data:`SPAN`, and ``origins[N, 8 blocks]`` tells, by lane, what
the numbers of codes that stand for 0 would add; ``sizes`` are not read.
"""


@intrinsic(prefer_literal=True)
def add_codes(typingctx, bits, group, codes, scales, at, scale_at, factors, out, blocks):  # type: ignore[no-untyped-def]
    """``ADD_ROWS`` rows, scaled by ``factors[ADD_ROWS]``, are added to ``out[64 blocks]``.

    Codes begin at ``at``, scales at ``scale_at``, both ``int64[2 * ADD_ROWS]``: as many rows more are fetched. ``bits``
    and ``group`` are literals, all others whole numbers, arrays by their addresses. For 4 bits ``factors`` are times
    :data:`SPAN`, ``out`` is in storage order.
    """
    if not all(isinstance(kind, types.IntegerLiteral) for kind in (bits, group)):
        return None
    found = Format(bits.literal_value, group.literal_value)
    signature = types.void(bits, group, *[types.int64] * 7)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kinds = (found.kind, I16, I64, I64, FLOAT, FLOAT)
        codes, scales, at, scale_at, factors, out = _pointers(builder, kinds, args[2:8])
        emit = Emitter(builder)
        streams = _row_places(emit, codes, at, 0, 2 * ADD_ROWS)
        row_scales = _row_places(emit, scales, scale_at, 0, ADD_ROWS)
        row_factors = [builder.load(emit.move(factors, emit.number(row))) for row in range(ADD_ROWS)]
        for emit, block in _steps(builder, args[8]):
            for stream in streams[ADD_ROWS:]:
                found.fetch(emit, stream, block)
            target = block_of(emit, out, block)
            rows = [found.parts(emit, *row, block) for row in zip(streams, row_scales, strict=False)]
            for parts in zip(*rows, strict=True):
                _add_parts(emit, parts, row_factors, target, found.bits)
        return context.get_dummy_value()

    return signature, codegen


def _add_parts(emit: Emitter, parts: tuple[_Part, ...], factors: list[Any], target: Any, bits: Bits) -> None:
    """Add the same vectors of several rows to ``target``."""
    builder = emit.builder
    scales = [builder.fmul(part.scale, emit.broadcast(factor)) for part, factor in zip(parts, factors, strict=True)]
    origin = builder.fmul(emit.total(scales), emit.constant(-float(ORIGIN)))
    for i in parts[0].vectors:
        total = emit.load(target, i)
        if bits == 4:
            total = builder.fadd(total, origin)
        for part, scale in zip(parts, scales, strict=True):
            total = emit.fma(part.number(i), scale, total)
        emit.store(total, target, i)


@intrinsic(prefer_literal=True)
def unpack_codes(typingctx, bits, group, codes, scales, at, scale_at, out, blocks):  # type: ignore[no-untyped-def]
    """``out[64 blocks]`` = a row as fp32, in storage order if of 4 bits.

    Its codes begin at element ``at``, its scales at ``scale_at``. ``bits`` and ``group`` are literals, all others whole
    numbers, arrays by their addresses.
    """
    if not all(isinstance(kind, types.IntegerLiteral) for kind in (bits, group)):
        return None
    found = Format(bits.literal_value, group.literal_value)
    signature = types.void(bits, group, *[types.int64] * 6)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        codes, scales, out = _pointers(builder, (found.kind, I16, FLOAT), (args[2], args[3], args[6]))
        row = Emitter(builder).move(codes, args[4]), Emitter(builder).move(scales, args[5])
        for emit, block in _steps(builder, args[7]):
            target = block_of(emit, out, block)
            for part in found.parts(emit, *row, block):
                scale, origin = part.scale, emit.constant(-float(ORIGIN))
                if found.bits == 4:
                    scale = builder.fmul(scale, emit.constant(float(SPAN)))
                for i in part.vectors:
                    number = part.number(i) if found.bits == 8 else builder.fadd(part.number(i), origin)
                    emit.store(builder.fmul(number, scale), target, i)
        return context.get_dummy_value()

    return signature, codegen
