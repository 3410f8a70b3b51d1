"""``select_rows`` on a GPU: one block, no sort, and the host learns nothing of it."""

import torch
import triton
import triton.language as tl


def select_rows(scores: torch.Tensor, count: int) -> torch.Tensor:
    """See :func:`sirius_kernels.select.op.select_rows`."""
    chosen = torch.empty(count, dtype=torch.int32, device=scores.device)
    if count > 0:
        total = scores.shape[0]
        select_kernel[(1,)](
            scores.contiguous(), chosen, total, count, BLOCK=triton.next_power_of_2(total),
            num_warps=16 if total > 4096 else 4, enable_fp_fusion=True,
        )  # fmt: skip
    return chosen


@triton.jit
def select_kernel(scores, chosen, total, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Find the ``count``-th largest of ``scores[total]`` byte by byte, then write down who reaches it."""
    place = tl.arange(0, BLOCK)
    inside = place < total
    key = _ordered(tl.load(scores + place, mask=inside, other=0.0).to(tl.float32))
    above = tl.zeros((), tl.int32)  # how many keys are larger than all that still may be the threshold
    least = tl.zeros((), tl.uint32)  # the threshold's leading bytes
    candidate = inside
    for step in tl.static_range(4):
        shift = 24 - 8 * step
        digit = ((key >> shift) & 255).to(tl.int32)
        numbers = tl.arange(0, 256)
        counts = tl.histogram(digit, 256, mask=candidate)
        # Keys with a digit of at least d: all candidates, less those with a smaller one.
        reaching = tl.sum(counts, 0) - tl.cumsum(counts, 0) + counts
        found = tl.max(tl.where(above + reaching >= count, numbers, 0), 0)
        above += tl.sum(tl.where(numbers > found, counts, 0), 0)
        least = (least << 8) | found.to(tl.uint32)
        candidate = candidate & (digit == found)
    equal = inside & (key == least)
    rank = tl.cumsum(equal.to(tl.int32), 0)
    taken = (inside & (key > least)) | (equal & (rank <= count - above))
    slot = tl.cumsum(taken.to(tl.int32), 0) - 1
    tl.store(chosen + slot, place, mask=taken)


@triton.jit
def _ordered(value):  # type: ignore[no-untyped-def]
    """fp32 as unsigned integers in the same order. (-0 counts as 0.)"""
    bits = (value + 0.0).to(tl.uint32, bitcast=True)
    return tl.where(bits >> 31 != 0, ~bits, bits | 0x80000000)
