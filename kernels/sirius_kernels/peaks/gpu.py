"""``peaks`` on a GPU: the scores are read once, by as many blocks as there are stretches of them."""

from typing import Final

import torch
import triton
import triton.language as tl

from sirius_kernels.device import device_info
from sirius_kernels.gpu_chain import chained, follow

_STRETCH: Final = 2048
_FIGURES: Final = 4  # fp32 that are written of a stretch, and of a row


def peaks(logits: torch.Tensor, temperature: float) -> tuple[torch.Tensor, ...]:
    """See :func:`sirius_kernels.peaks.op.peaks`; the fields in their order."""
    rows, vocabulary = logits.shape
    stretches, options = triton.cdiv(vocabulary, _STRETCH), chained(device_info(logits.device))
    parts = torch.empty(_FIGURES, rows, stretches, device=logits.device)
    tokens = torch.empty(rows, stretches, dtype=torch.int32, device=logits.device)
    token = torch.empty(rows, dtype=torch.int64, device=logits.device)
    figures = torch.empty(_FIGURES, rows, device=logits.device)
    stretch_kernel[(stretches, rows)](
        logits.contiguous(), parts, tokens, vocabulary, rows, 1.0 / temperature, BLOCK=_STRETCH,
        enable_fp_fusion=True, **options,
    )  # fmt: skip
    row_kernel[(rows,)](
        parts, tokens, token, figures, stretches, rows, 1.0 / temperature, BLOCK=triton.next_power_of_2(stretches),
        enable_fp_fusion=True, **options,
    )  # fmt: skip
    return token, *figures.unbind()


@triton.jit
def stretch_kernel(  # type: ignore[no-untyped-def]
    logits, parts, tokens, vocabulary, rows, coldness, CHAINED: tl.constexpr, BLOCK: tl.constexpr
):
    """Of one stretch of one row: the largest score, and sums relative to it, into ``parts[4, rows, stretches]``.

    The sums are of exponentials, of these times the scores' distances, and of exponentials of colder scores.
    """
    stretch, stretches, row = tl.program_id(0), tl.num_programs(0), tl.program_id(1)
    place = stretch * BLOCK + tl.arange(0, BLOCK)
    inside = place < vocabulary
    follow(CHAINED)
    values = tl.load(logits + row.to(tl.int64) * vocabulary + place, mask=inside, other=float("-inf"))
    top = tl.max(values, 0)
    distance = tl.where(inside, values - top, 0.0)
    weights = tl.where(inside, tl.exp(distance), 0.0)
    at, plane = row * stretches + stretch, rows * stretches
    tl.store(parts + at, top)
    tl.store(parts + plane + at, tl.sum(weights, 0))
    tl.store(parts + 2 * plane + at, tl.sum(weights * distance, 0))
    tl.store(parts + 3 * plane + at, tl.sum(tl.where(inside, tl.exp(distance * coldness), 0.0), 0))
    tl.store(tokens + at, tl.min(tl.where(values == top, place, vocabulary), 0))


@triton.jit
def row_kernel(  # type: ignore[no-untyped-def]
    parts, tokens, token, figures, stretches, rows, coldness, CHAINED: tl.constexpr, BLOCK: tl.constexpr
):
    """Join the stretches of a row; ``figures[4, rows]`` are the fields of ``Peaks`` behind the token."""
    row, stretch = tl.program_id(0), tl.arange(0, BLOCK)
    there = stretch < stretches
    at, plane = row * stretches + stretch, rows * stretches
    follow(CHAINED)
    tops = tl.load(parts + at, mask=there, other=float("-inf"))
    top = tl.max(tops, 0)
    lower = tl.where(there, tops - top, 0.0)
    sums = tl.load(parts + plane + at, mask=there, other=0.0)
    distances = tl.load(parts + 2 * plane + at, mask=there, other=0.0)
    warm = tl.load(parts + 3 * plane + at, mask=there, other=0.0)
    shrink = tl.exp(lower)
    total = tl.sum(sums * shrink, 0)
    distance = tl.sum((distances + sums * lower) * shrink, 0)  # each from the row's largest now
    warmth = tl.sum(tl.where(there, warm * tl.exp(lower * coldness), 0.0), 0)
    best = tl.load(tokens + at, mask=there & (tops == top), other=2147483647)
    tl.store(token + row, tl.min(best, 0).to(tl.int64))
    tl.store(figures + row, 1.0 / total)
    tl.store(figures + rows + row, top + tl.log(total))
    tl.store(figures + 2 * rows + row, top * coldness + tl.log(warmth))
    tl.store(figures + 3 * rows + row, tl.log(total) - distance / total)
