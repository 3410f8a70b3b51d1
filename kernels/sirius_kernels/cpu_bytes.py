"""Products of quantised rows with activations in eight bits, for processors that multiply bytes (VNNI).

Turning codes into fp32 keeps a processor busier than reading them from memory does. Where one instruction multiplies
four bytes by four others in every lane and adds the products up, a code costs a fifth of that. So activations are
rounded to bytes too, every 32 with a scale of their own; sums of products are exact integers until they are scaled.

One factor of that instruction has no sign: codes go there, raised above zero, and the *origins* at which sums begin
take off what that adds. Activations lie as the instruction meets them: for 8-bit codes in order; for 4-bit codes, which
come out of words two at a time, in *byte order*: of each step first those of the even nibbles, word by word, then those
of the odd ones.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import njit

from sirius_kernels.cpu_codes import TOGETHER, Activations, Format, block_of, dot_of_steps
from sirius_kernels.cpu_llvm import LANES, Emitter
from sirius_kernels.quant.matrix import BLOCK, MIDDLE, SHARING, Bits

_NIBBLE_BYTES, _SIGNS = 0x0F0F0F0F, 0x80808080
_RAISED: Final = 128  # by which 8-bit codes without a sign are above those they stand for; 4-bit ones by MIDDLE
_HIGHEST, _ZERO, _HALF = np.float32(127.0), np.float32(0.0), np.float32(0.5)


def make_byte_dot(bits: Bits, group: int, tokens: int = 1) -> Callable[..., None]:
    """A dot product for compiled code that multiplies bytes.

    See :func:`~sirius_kernels.cpu_codes.dot_of_steps`; of each token ``x``, ``sizes`` and ``origins`` are what
    :func:`byte_vector` gives for ``bits``.
    """
    return dot_of_steps(Format(bits, group), _multiply_nibbles if bits == 4 else _multiply_octets, tokens)


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


@njit(fastmath=True)
def _largest(x, first):  # type: ignore[no-untyped-def]
    largest = _ZERO
    for k in range(first, first + SHARING):
        largest = max(largest, abs(x[k]))
    return largest


@njit(error_model="numpy")
def round_to_bytes(x, codes, sizes):  # type: ignore[no-untyped-def]
    """``x[depth]`` as ``codes`` (``int8[depth]``) times ``sizes[depth / 32]``; ties go away from zero."""
    for part in range(x.shape[0] // SHARING):
        first = part * SHARING
        largest = _largest(x, first)
        factor = _HIGHEST / largest if largest > _ZERO else _ZERO
        sizes[part] = largest / _HIGHEST
        for k in range(first, first + SHARING):
            value = x[k] * factor
            codes[k] = np.int8(np.int32(value + (_HALF if value > _ZERO else -_HALF)))


@njit
def step_of(block, blocks, width):  # type: ignore[no-untyped-def]
    """Where the vectors of a step have those ``width`` elements that are of ``block``: the first, and how far apart."""
    place = block % TOGETHER
    if block - place + TOGETHER <= blocks:
        return (block - place) * BLOCK + place * width, TOGETHER * width
    return block * BLOCK, width


@njit
def _in_byte_order(codes, out):  # type: ignore[no-untyped-def]
    """``out[depth]`` = ``codes[depth]`` in byte order."""
    blocks = codes.shape[0] // BLOCK
    for block in range(blocks):
        at, step = step_of(block, blocks, 4 * LANES)
        for nibble in range(2):
            for half in range(2):
                for lane in range(4):
                    for k in range(4):
                        weight = block * BLOCK + SHARING * half + 8 * k + 4 * nibble + lane
                        out[at + step * nibble + 16 * half + 4 * lane + k] = codes[weight]


@njit
def byte_vector(x, bits):  # type: ignore[no-untyped-def]
    """``x[depth]`` for products with codes of ``bits``: ``(int8[depth], fp32 sizes, int32 origins)``, both by lane."""
    depth = x.shape[0]
    each = 8 if bits == 4 else 4  # products in a lane
    codes, sizes = np.empty(depth, np.int8), np.empty(depth // SHARING, np.float32)
    round_to_bytes(x, codes, sizes)
    lanes = SHARING // each
    by_lane, origins = np.empty(depth // each, np.float32), np.zeros(depth // each, np.int32)
    for lane in range(depth // each):
        by_lane[lane] = sizes[lane // lanes]
    if bits != 4:
        for lane in range(depth // each):
            for k in range(each):
                origins[lane] -= _RAISED * np.int32(codes[lane * each + k])
        return codes, by_lane, origins
    for part in range(depth // SHARING):
        for lane in range(lanes):
            for k in range(each):
                origins[part * lanes + lane] -= MIDDLE * np.int32(codes[part * SHARING + lanes * k + lane])
    ordered = np.empty_like(codes)
    _in_byte_order(codes, ordered)
    return ordered, by_lane, origins
