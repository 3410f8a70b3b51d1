"""How fast memory can be read at all: the floor that every kernel of a decode step stands on."""

from time import perf_counter

import torch

from sirius_kernels.bandwidth import reference
from sirius_kernels.contracts import Impl, expect_contiguous, expect_dtype


def read_sum(data: torch.Tensor, *, impl: Impl) -> float:
    """The sum of ``data`` (fp32, flat, contiguous), every number read once and in order."""
    expect_contiguous("data", data)
    expect_dtype("data", data, torch.float32)
    if impl == "numba":
        from sirius_kernels.bandwidth import cpu

        return cpu.read_sum(data)
    return reference.read_sum(data)


def read_bandwidth(data: torch.Tensor, *, impl: Impl) -> float:
    """Bytes per second of reading ``data`` once. It should be far larger than the caches."""
    if data.is_cuda:
        torch.cuda.synchronize(data.device)  # what fills ``data`` may still be under way
    start = perf_counter()
    read_sum(data, impl=impl)
    return data.nbytes / (perf_counter() - start)
