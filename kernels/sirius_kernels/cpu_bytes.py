"""Products of quantised rows with activations in eight bits, for processors that multiply bytes (VNNI).

Turning codes into fp32 keeps a processor busier than reading them from memory does. Where one instruction multiplies
four bytes by four others in every lane and adds the products up, a code costs a fifth of that. So activations are
rounded to bytes too, every 32 with a scale of their own; sums of products are exact integers until they are scaled.

One factor of that instruction has no sign: codes go there, raised above zero, and the *origins* at which sums begin
take off what that adds. Activations lie as the instruction meets them: for 8-bit codes in order; for 4-bit codes, which
come out of words two at a time, in *byte order*: of each step first those of the even nibbles, word by word, then those
of the odd ones.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from sirius_kernels.cpu_codes import TOGETHER, Activations, Format, block_of, dots_of_steps
from sirius_kernels.cpu_llvm import FLOAT, I8, I32, LANES, Emitter
from sirius_kernels.cpu_memory import address_of
from sirius_kernels.quant.matrix import BLOCK, MIDDLE, SHARING

_NIBBLE_BYTES, _SIGNS = 0x0F0F0F0F, 0x80808080
_RAISED: Final = 128  # by which 8-bit codes without a sign are above those they stand for; 4-bit ones by MIDDLE
_WORD: Final = 4  # bytes of a number


def _multiply_nibbles(
    found: Format, emit: Emitter, block: Any, row: tuple[Any, Any], tokens: list[Activations], totals: list[Any]
) -> None:
    """Add a step of 4-bit codes: eight products in each lane."""
    lane = emit.builder.mul(block, emit.number(LANES))
    words = emit.load_words(emit.move(row[0], found.place(emit, block)))
    nibbles = [emit.both(emit.shift_right(words, 4 * nibble), _NIBBLE_BYTES) for nibble in range(2)]
    count = max(1, 8 * emit.lanes // found.group)
    scale = emit.bfloat16s(emit.move(row[1], found.scale_place(emit, block)), count)
    for (x, sizes, origins), total in zip(tokens, totals, strict=True):
        values = block_of(emit, x, block)
        sums = emit.load_words(emit.move(origins, lane))
        for nibble, codes in enumerate(nibbles):
            sums = emit.multiply_bytes(sums, codes, emit.load_words(_further(emit, values, nibble)))
        _add(emit, sums, scale, emit.load(emit.move(sizes, lane)), total)


def _multiply_octets(
    found: Format, emit: Emitter, block: Any, row: tuple[Any, Any], tokens: list[Activations], totals: list[Any]
) -> None:
    """Add a step of 8-bit codes: two vectors, four products in each lane."""
    lane, width = emit.builder.mul(block, emit.number(BLOCK // 4)), 4 * emit.lanes
    codes, scale_at = emit.move(row[0], found.place(emit, block)), emit.move(row[1], found.scale_place(emit, block))
    for v in range(2):
        words = emit.differing(emit.load_words(_further(emit, codes, v)), _SIGNS)
        place = emit.move(scale_at, emit.number(v * width // found.group))
        scale = emit.bfloat16s(place, max(1, width // found.group))
        for (x, sizes, origins), total in zip(tokens, totals, strict=True):
            sums = emit.load_words(emit.move(origins, lane, emit.number(v * emit.lanes)))
            sums = emit.multiply_bytes(sums, words, emit.load_words(_further(emit, block_of(emit, x, block), v)))
            _add(emit, sums, scale, emit.load(emit.move(sizes, lane), v), total)


def _add(emit: Emitter, sums: Any, scale: Any, size: Any, total: Any) -> None:
    builder = emit.builder
    builder.store(emit.fma(emit.to_floats(sums), builder.fmul(scale, size), builder.load(total)), total)


def _further(emit: Emitter, octets: Any, vector: int) -> Any:
    """Vector number ``vector`` from a pointer to bytes on."""
    return emit.move(octets, emit.number(4 * emit.lanes * vector))


def _multiply_bytes(
    found: Format, emit: Emitter, block: Any, row: tuple[Any, Any], tokens: list[Activations], totals: list[Any]
) -> None:
    multiply = _multiply_nibbles if found.bits == 4 else _multiply_octets
    multiply(found, emit, block, row, tokens, totals)


dots_of_bytes = dots_of_steps(_multiply_bytes, I8, I32)
"""Dot products that multiply bytes: see :func:`~sirius_kernels.cpu_codes.dots_of_steps`.

Of each token ``x``, ``sizes`` and ``origins`` are what :func:`byte_vector` gives for ``bits``.
"""


def _added_up(emit: Emitter, words: Any, lanes: int, *, neighbours: bool) -> Any:
    """``words`` added up in ``lanes``: those side by side, or else those that are that many apart."""
    while (count := words.type.count) > lanes:
        if neighbours:
            halves = range(0, count, 2), range(1, count, 2)
        else:
            halves = range(count // 2), range(count // 2, count)
        words = emit.builder.add(*(emit.lanes_of(words, [*half]) for half in halves))
    return words


@intrinsic(prefer_literal=True)
def _round_part(typingctx, bits, x, codes, further, sizes, origins):  # type: ignore[no-untyped-def]
    """Round 32 activations: what codes of ``bits``, a literal, need of them; arrays by their addresses.

    For 4 bits the bytes that meet odd nibbles go ``further`` than the others. Ties go away from zero.
    """
    if not isinstance(bits, types.IntegerLiteral):
        return None
    nibbles = bits.literal_value == 4
    signature = types.void(bits, *[types.int64] * 5)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        emit, few = Emitter(builder, SHARING), Emitter(builder, SHARING // (8 if nibbles else 4))
        pointers = [builder.inttoptr(args[i], kind.as_pointer()) for i, kind in ((1, FLOAT), (4, FLOAT), (5, I32))]
        values = emit.load(pointers[0])
        largest, highest, zero = emit.largest(values), ir.Constant(FLOAT, 127.0), ir.Constant(FLOAT, 0.0)
        factor = builder.select(builder.fcmp_ordered(">", largest, zero), builder.fdiv(highest, largest), zero)
        whole = emit.nearest(builder.fmul(values, emit.broadcast(factor)))
        few.store(few.broadcast(builder.fdiv(largest, highest)), pointers[1])
        sums = _added_up(emit, whole, few.lanes, neighbours=not nibbles)
        raised = ir.Constant(sums.type, [-(MIDDLE if nibbles else _RAISED)] * few.lanes)
        few.store_words(builder.mul(sums, raised), pointers[2])
        if not nibbles:
            emit.store_bytes(whole, builder.inttoptr(args[2], I8.as_pointer()))
            return context.get_dummy_value()
        for nibble in range(2):
            lanes = [8 * k + 4 * nibble + lane for lane in range(4) for k in range(4)]
            place = builder.add(args[2], builder.mul(args[3], emit.number(nibble)))
            emit.store_bytes(emit.lanes_of(whole, lanes), builder.inttoptr(place, I8.as_pointer()))
        return context.get_dummy_value()

    return signature, codegen


@njit
def step_of(block, blocks, width):  # type: ignore[no-untyped-def]
    """Where the vectors of a step have those ``width`` elements that are of ``block``: the first, and how far apart."""
    place = block % TOGETHER
    if block - place + TOGETHER <= blocks:
        return (block - place) * BLOCK + place * width, TOGETHER * width
    return block * BLOCK, width


@njit
def byte_vector(x, bits):  # type: ignore[no-untyped-def]
    """``x[depth]`` for products with codes of ``bits``: ``(int8[depth], fp32 sizes, int32 origins)``, both by lane."""
    depth = x.shape[0]
    each = 8 if bits == 4 else 4  # products in a lane
    codes, sizes, origins = (
        np.empty(depth, np.int8),
        np.empty(depth // each, np.float32),
        np.empty(depth // each, np.int32),
    )
    lanes = SHARING // each
    for part in range(depth // SHARING):
        values, of_part = address_of(x) + part * SHARING * _WORD, part * lanes * _WORD
        size_at, origin_at = address_of(sizes) + of_part, address_of(origins) + of_part
        if bits == 4:
            at, step = step_of(part // 2, depth // BLOCK, 4 * LANES)
            place = address_of(codes) + at + part % 2 * (BLOCK // 4)
            _round_part(4, values, place, step, size_at, origin_at)
        else:
            _round_part(8, values, address_of(codes) + part * SHARING, 0, size_at, origin_at)
    return codes, sizes, origins
