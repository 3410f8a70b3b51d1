"""Reading memory, compiled for the CPU: all threads, as the kernels use them."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_memory import address, floats, threads
from sirius_kernels.cpu_stream import DOT_ROWS, make_dots

_ROW = 4096  # numbers
_dots = make_dots(1)


def read_sum(data: torch.Tensor) -> float:
    """See :func:`sirius_kernels.bandwidth.op.read_sum`."""
    return float(_read_sum(address(data), data.numel(), threads()))


@njit(parallel=True, cache=True)
def _sum(data, threads):  # type: ignore[no-untyped-def]
    sums, ones, places = np.zeros(threads, np.float32), np.ones(_ROW, np.float32), np.arange(2 * DOT_ROWS)
    together = DOT_ROWS * _ROW
    for part in prange(threads):
        low, high = part * data.shape[0] // threads, (part + 1) * data.shape[0] // threads
        rows, found = np.empty(2 * DOT_ROWS, np.int64), np.empty(DOT_ROWS, np.float32)
        for at in range(low, high - together + 1, together):
            for row in range(2 * DOT_ROWS):
                rows[row] = min(at + row * _ROW, high - _ROW)
            _dots(data, rows, 0, ones, 0, _ROW, found, places, 0)
            sums[part] += found.sum()
        for k in range(high - (high - low) % together, high):
            sums[part] += data[k]
    return sums.sum()


@njit("float32(int64, int64, int64)", cache=True)
def _read_sum(data, count, threads):  # type: ignore[no-untyped-def]
    return _sum(floats(data, count), threads)
