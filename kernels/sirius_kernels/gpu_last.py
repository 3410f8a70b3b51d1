"""Blocks of a launch that share a result: whichever ends last puts it together.

It does so in the order of the shares, so a result does not depend on which block that is. A kernel that waited for the
others would do the same one launch later.
"""

from functools import cache
from typing import Final

import torch
import triton
import triton.language as tl

_MOST: Final = 4096  # results of one launch


@triton.jit
def last_of(counter, shares):  # type: ignore[no-untyped-def]
    """Whether this block is the last of ``shares`` to come here. What the others stored is there then (read it by .cg).

    ``counter`` is 0 before the launch and after it.
    """
    tl.debug_barrier()  # all threads of this block have stored
    last = tl.atomic_add(counter, 1, sem="acq_rel") == shares - 1
    if last:
        tl.store(counter, 0)
    return last


def counters(device: torch.device) -> torch.Tensor:
    """``int32`` zeros for one launch after the other, in the order of one stream."""
    return _counters(device.type, device.index or 0)


@cache
def _counters(kind: str, index: int) -> torch.Tensor:
    return torch.zeros(_MOST, dtype=torch.int32, device=torch.device(kind, index) if kind == "cuda" else kind)
