"""Reading memory, compiled for the CPU: all threads, as the kernels use them."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_memory import address, floats, threads
from sirius_kernels.cpu_stream import make_dot

_ROW = 4096  # numbers
_dot = make_dot(prefetch=False)


def read_sum(data: torch.Tensor) -> float:
    """See :func:`sirius_kernels.bandwidth.op.read_sum`."""
    return float(_read_sum(address(data), data.numel(), threads()))


@njit(parallel=True, cache=True)
def _sum(data, threads):  # type: ignore[no-untyped-def]
    sums, ones = np.zeros(threads, np.float32), np.ones(_ROW, np.float32)
    for part in prange(threads):
        low, high = part * data.shape[0] // threads, (part + 1) * data.shape[0] // threads
        for at in range(low, high, _ROW):
            sums[part] += _dot(data, at, ones, min(_ROW, high - at), at)
    return sums.sum()


@njit("float32(int64, int64, int64)", cache=True)
def _read_sum(data, count, threads):  # type: ignore[no-untyped-def]
    return _sum(floats(data, count), threads)
