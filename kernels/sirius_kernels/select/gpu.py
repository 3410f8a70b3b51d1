"""``select_rows`` on a GPU: no sort, and the host learns nothing of it.

The threshold is found digit by digit, the largest first. A launch counts one digit: every block its own keys. How many
keys reach a threshold is then a sum over the blocks' counts, which every block of the next launch does for itself.
"""

from typing import Final

import torch
import triton
import triton.language as tl

from sirius_kernels.device import device_info
from sirius_kernels.gpu_chain import chained, follow

_DIGITS: Final = {torch.bfloat16: 2, torch.float16: 3, torch.float32: 4}
"""Bytes of an fp32, made from a number of that dtype, that are not always 0."""
_KEYS: Final = 1024  # of a block; a tile of all blocks' counts must stay in registers
_MOST_BLOCKS: Final = 32


def select_rows(scores: torch.Tensor, count: int, magnitude: bool) -> torch.Tensor:
    """See :func:`sirius_kernels.select.op.select_rows`."""
    chosen = torch.empty(count, dtype=torch.int32, device=scores.device)
    if count == 0:
        return chosen
    total, digits = scores.shape[0], _DIGITS[scores.dtype]
    size = max(_KEYS, triton.next_power_of_2(triton.cdiv(total, _MOST_BLOCKS)))
    blocks = triton.cdiv(total, size)
    counts = torch.empty(digits, blocks, 256, dtype=torch.int32, device=scores.device)
    for digit in range(digits + 1):
        digit_kernel[(blocks,)](
            scores.contiguous(), counts, chosen, total, count, DIGIT=digit, DIGITS=digits, MAGNITUDE=magnitude,
            BLOCK=size, BLOCKS=blocks, BLOCKS_2=triton.next_power_of_2(blocks), num_warps=4, enable_fp_fusion=True,
            **chained(device_info(scores.device)),
        )  # fmt: skip
    return chosen


@triton.jit
def digit_kernel(  # type: ignore[no-untyped-def]
    scores, counts, chosen, total, count,
    DIGIT: tl.constexpr, DIGITS: tl.constexpr, MAGNITUDE: tl.constexpr, CHAINED: tl.constexpr,
    BLOCK: tl.constexpr, BLOCKS: tl.constexpr, BLOCKS_2: tl.constexpr,
):  # fmt: skip
    """Count digit number ``DIGIT`` of the keys that may be the threshold, into ``counts[DIGITS, BLOCKS, 256]``.

    Behind the last digit write down who is ``chosen``.
    """
    me = tl.program_id(0)
    place = me * BLOCK + tl.arange(0, BLOCK)
    inside = place < total
    follow(CHAINED)
    value = tl.load(scores + place, mask=inside, other=0.0).to(tl.float32)
    key = _ordered(tl.abs(value) if MAGNITUDE else value) >> (32 - 8 * DIGITS)
    number, block = tl.arange(0, 256), tl.arange(0, BLOCKS_2)
    threshold = tl.zeros((), tl.uint32)  # its leading digits
    above = tl.zeros((), tl.int32)  # how many keys are larger than all that may still be the threshold
    before = tl.zeros((), tl.int32)  # how many of these stand in earlier blocks
    equal_before = tl.zeros((), tl.int32)  # how many in earlier blocks may still be the threshold
    for known in tl.static_range(DIGIT):
        tile = tl.load(
            counts + (known * BLOCKS + block)[:, None] * 256 + number[None, :],
            mask=(block < BLOCKS)[:, None], other=0,
        )  # fmt: skip
        all_blocks = tl.sum(tile, 0)
        # Keys with a digit of at least d: all, less those with a smaller one.
        reaching = tl.sum(all_blocks, 0) - tl.cumsum(all_blocks, 0) + all_blocks
        found = tl.max(tl.where(above + reaching >= count, number, 0), 0)
        earlier = tl.sum(tl.where((block < me)[:, None], tile, 0), 0)
        above += tl.sum(tl.where(number > found, all_blocks, 0), 0)
        before += tl.sum(tl.where(number > found, earlier, 0), 0)
        equal_before = tl.sum(tl.where(number == found, earlier, 0), 0)
        threshold = (threshold << 8) | found.to(tl.uint32)
    if DIGIT < DIGITS:
        rest = key >> (8 * (DIGITS - 1 - DIGIT))
        possible = inside & ((rest >> 8) == threshold) if DIGIT > 0 else inside
        digit = (rest & 255).to(tl.int32)
        tl.store(counts + (DIGIT * BLOCKS + me) * 256 + number, tl.histogram(digit, 256, mask=possible))
    else:
        larger, equal = inside & (key > threshold), inside & (key == threshold)
        fitting = count - above  # how many that just reach the threshold are chosen: the first
        level = equal_before + tl.cumsum(equal.to(tl.int32), 0)
        rank = before + tl.cumsum(larger.to(tl.int32), 0) + tl.minimum(level, fitting)
        tl.store(chosen + rank - 1, place, mask=larger | (equal & (level <= fitting)))


@triton.jit
def _ordered(value):  # type: ignore[no-untyped-def]
    """fp32 as unsigned integers in the same order. (-0 counts as 0.)"""
    bits = (value + 0.0).to(tl.uint32, bitcast=True)
    return tl.where(bits >> 31 != 0, bits ^ 0xFFFFFFFF, bits | 0x80000000)
