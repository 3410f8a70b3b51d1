"""Reading memory, compiled for the CPU: all threads, as the kernels use them."""

import numpy as np
import torch
from numba import njit

from sirius_kernels.cpu_llvm import FP32
from sirius_kernels.cpu_memory import address, address_of, floats, threads
from sirius_kernels.cpu_parts import apart, in_parts, named_part, together
from sirius_kernels.cpu_stream import DOT_ROWS, dots

_ROW = 4096  # numbers


def read_sum(data: torch.Tensor) -> float:
    """See :func:`sirius_kernels.bandwidth.op.read_sum`."""
    return float(_read_sum(address(data), data.numel(), threads()))


@named_part()
def _sum_of_share(arguments, part, parts):  # type: ignore[no-untyped-def]
    data, count, sums = apart(arguments, 3)
    values, ones, places = floats(data, count), np.ones(_ROW, np.float32), np.arange(2 * DOT_ROWS)
    low, high, together_read = part * count // parts, (part + 1) * count // parts, DOT_ROWS * _ROW
    rows, found, total = np.empty(2 * DOT_ROWS, np.int64), np.empty(DOT_ROWS, np.float32), np.float32(0.0)
    for at in range(low, high - together_read + 1, together_read):
        for row in range(2 * DOT_ROWS):
            rows[row] = min(at + row * _ROW, high - _ROW)
        dots(FP32, 1, values, rows, 0, ones, 0, _ROW, found, places, 0)
        total += found.sum()
    for k in range(high - (high - low) % together_read, high):
        total += values[k]
    floats(sums, parts)[part] = total


@njit("float32(int64, int64, int64)", cache=True)
def _read_sum(data, count, threads):  # type: ignore[no-untyped-def]
    sums = np.empty(threads, np.float32)
    in_parts(_sum_of_share(), together((data, count, address_of(sums))), threads)
    return sums.sum()
