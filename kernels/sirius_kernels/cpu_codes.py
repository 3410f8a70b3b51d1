"""Quantised rows written as LLVM vectors: how codes become numbers, and the three loops that use them.

All loops go through a row in *steps* of eight vectors: 128 weights where vectors have sixteen lanes, then what is left
by vectors of eight. 4-bit codes are met in storage order (:mod:`sirius_kernels.quant.matrix`): a vector of words turns
up a vector of codes eight times, and one vector of scales serves them all.

A 4-bit code n becomes the number ``1 + n / 16``: from a table in a register where sixteen numbers fit into one, else by
putting it into the upper bits of a mantissa whose exponent is that of 1. The 16 goes into what the number is multiplied
by; the 1, and the 8 by which codes are raised, are taken off once for all weights that share a scale.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic

from sirius_kernels.cpu_llvm import LANES, MANY_REGISTERS, Emitter
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


def _data(context: Any, builder: Any, sig: Any, args: Any, *which: int) -> list[Any]:
    """Where the data of those arguments begin, which are arrays."""
    return [context.make_array(sig.args[i])(context, builder, args[i]).data for i in which]


def block_of(emit: Emitter, pointer: Any, block: Any) -> Any:
    """Where ``block`` begins in an array that has an element for each weight."""
    return emit.move(pointer, emit.builder.mul(block, emit.number(BLOCK)))


Activations = tuple[Any, Any, Any]
"""Where ``x``, ``sizes`` and ``origins`` of one token begin."""
Multiply = Callable[[Format, Emitter, Any, tuple[Any, Any], list[Activations], list[Any]], None]
"""``multiply(format, emitter, block, (codes, scales), tokens, totals)`` adds a step's products to each token's slot."""


def make_dot(bits: Bits, group: int, tokens: int = 1) -> Callable[..., None]:
    """A dot product for compiled code that turns codes into fp32 numbers.

    See :func:`dot_of_steps`. For 4 bits ``x[N, 64 blocks]`` is in storage order times :data:`SPAN`, and ``origins[N, 8
    blocks]`` tells, by lane, what the numbers of codes that stand for 0 would add; ``sizes`` are not read.
    """
    return dot_of_steps(Format(bits, group), _multiply_numbers, tokens)


def dot_of_steps(found: Format, multiply: Multiply, count: int) -> Callable[..., None]:
    """A dot product of one row with each of ``count`` tokens, for compiled code.

    ``dot(codes, at, scales, scale_at, x, sizes, origins, token, lanes, blocks, following, out, out_at, out_step)``
    writes ``out[out_at + i * out_step]`` for token number ``token + i``. Codes (``int32`` words of 4 bits, ``int8``)
    begin at ``at``, scales (``int16``) at ``scale_at``; as many codes from ``following`` on are fetched. What ``x[N, 64
    blocks]``, ``sizes[N, lanes]`` and ``origins[N, lanes]`` hold is for ``multiply`` to know.
    """

    @intrinsic
    def dot(  # type: ignore[no-untyped-def]
        typingctx,
        codes,
        at,
        scales,
        scale_at,
        x,
        sizes,
        origins,
        token,
        lanes,
        blocks,
        following,
        out,
        out_at,
        out_step,
    ):
        index = types.intp
        signature = types.void(
            codes, index, scales, index, x, sizes, origins, index, index, index, index, out, index, index
        )

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            codes, scales, x, sizes, origins, out = _data(context, builder, sig, args, 0, 2, 4, 5, 6, 11)
            at, scale_at, token, lanes, blocks, following = (args[i] for i in (1, 3, 7, 8, 9, 10))
            ends = [Emitter(builder, width) for width in WIDTHS]
            move, number, depth = ends[0].move, ends[0].number, builder.mul(blocks, ends[0].number(BLOCK))
            tokens = []
            for i in range(count):
                place = builder.add(token, number(i))
                lane = builder.mul(place, lanes)
                tokens.append((move(x, builder.mul(place, depth)), move(sizes, lane), move(origins, lane)))
            totals = [[emit.slot() for _ in tokens] for emit in ends]
            for emit, slots in zip(ends, totals, strict=True):
                for slot in slots:
                    builder.store(emit.zeros(), slot)
            row = move(codes, at), move(scales, scale_at)
            for (emit, block), slots in zip(_steps(builder, blocks), totals, strict=True):
                found.fetch(emit, move(codes, following), block)
                multiply(found, emit, block, row, tokens, slots)
            for i in range(count):
                sums = [emit.sum(builder.load(slots[i])) for emit, slots in zip(ends, totals, strict=True)]
                place = builder.add(args[12], builder.mul(args[13], number(i)))
                builder.store(functools.reduce(builder.fadd, sums), move(out, place))
            return context.get_dummy_value()

        return signature, codegen

    return dot  # type: ignore[no-any-return]


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


def make_add(bits: Bits, group: int) -> Callable[..., None]:
    """``add(codes, at, scales, scale_at, first, factors, out, blocks)``: scaled rows are added to ``out``.

    ``ADD_ROWS`` rows from number ``first`` on of those whose codes begin at ``at``, scales at ``scale_at`` (both
    ``int64``); as many more are fetched. For 4 bits ``factors`` are times :data:`SPAN`, ``out[64 blocks]`` is in
    storage order.
    """
    found = Format(bits, group)

    @intrinsic
    def add(typingctx, codes, at, scales, scale_at, first, factors, out, blocks):  # type: ignore[no-untyped-def]
        signature = types.void(codes, at, scales, scale_at, types.intp, factors, out, types.intp)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            codes, at, scales, scale_at, factors, out = _data(context, builder, sig, args, 0, 1, 2, 3, 5, 6)
            first, blocks, move = args[4], args[7], Emitter(builder).move

            def number(places: Any, row: int) -> Any:
                return builder.load(move(places, first, Emitter(builder).number(row)))

            streams = [move(codes, number(at, row)) for row in range(2 * ADD_ROWS)]
            row_scales = [move(scales, number(scale_at, row)) for row in range(ADD_ROWS)]
            row_factors = [number(factors, row) for row in range(ADD_ROWS)]
            for emit, block in _steps(builder, blocks):
                for stream in streams[ADD_ROWS:]:
                    found.fetch(emit, stream, block)
                target = block_of(emit, out, block)
                rows = [found.parts(emit, *row, block) for row in zip(streams, row_scales, strict=False)]
                for parts in zip(*rows, strict=True):
                    _add_parts(emit, parts, row_factors, target, bits)
            return context.get_dummy_value()

        return signature, codegen

    return add  # type: ignore[no-any-return]


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


def make_unpack(bits: Bits, group: int) -> Callable[..., None]:
    """``unpack(codes, at, scales, scale_at, out, out_at, blocks)``: ``out[out_at:]`` = a row as fp32.

    In storage order if of 4 bits. Arguments as for :func:`make_dot`.
    """
    found = Format(bits, group)

    @intrinsic
    def unpack(typingctx, codes, at, scales, scale_at, out, out_at, blocks):  # type: ignore[no-untyped-def]
        index = types.intp
        signature = types.void(codes, index, scales, index, out, index, index)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            codes, scales, out = _data(context, builder, sig, args, 0, 2, 4)
            _, at, _, scale_at, _, out_at, blocks = args
            for emit, block in _steps(builder, blocks):
                target = block_of(emit, emit.move(out, out_at), block)
                for part in found.parts(emit, emit.move(codes, at), emit.move(scales, scale_at), block):
                    scale, origin = part.scale, emit.constant(-float(ORIGIN))
                    if bits == 4:
                        scale = builder.fmul(scale, emit.constant(float(SPAN)))
                    for i in part.vectors:
                        number = part.number(i) if bits == 8 else builder.fadd(part.number(i), origin)
                        emit.store(builder.fmul(number, scale), target, i)
            return context.get_dummy_value()

        return signature, codegen

    return unpack  # type: ignore[no-any-return]
