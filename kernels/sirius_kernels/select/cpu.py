"""``select_rows`` compiled for the CPU: no sort, only a partition and one pass."""

import numpy as np
import torch
from numba import njit


def select_rows(scores: torch.Tensor, count: int) -> torch.Tensor:
    """See :func:`sirius_kernels.select.op.select_rows`."""
    chosen = torch.empty(count, dtype=torch.int32)
    if count > 0:
        # Undefined scores, of overflown activations, would be neither above nor below any other: they come first.
        _select(scores.nan_to_num(nan=torch.inf, posinf=torch.inf).contiguous().numpy(), chosen.numpy())
    return chosen


@njit(cache=True)
def _select(scores, chosen):  # type: ignore[no-untyped-def]
    total, count = scores.shape[0], chosen.shape[0]
    least = np.partition(scores, total - count)[total - count]
    above = 0
    for i in range(total):
        above += scores[i] > least
    equals = count - above  # how many that just reach the threshold still fit
    at = 0
    for i in range(total):
        if scores[i] > least:
            chosen[at] = i
            at += 1
        elif scores[i] == least and equals > 0:
            chosen[at] = i
            at += 1
            equals -= 1
