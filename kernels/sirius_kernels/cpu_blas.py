"""Products of many tokens: there arithmetic is dear, not memory, and torch's BLAS may do more of it in a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from sirius_kernels.cpu_llvm import MANY_REGISTERS
from sirius_kernels.cpu_memory import threads

# Measured with vectors of eight: BLAS is ahead from 28 tokens on (Xeon with AVX-512) to 64 (Zen 4). With vectors of
# sixteen our tiles take 0.3 to 0.8 of its time for 48 to 512 tokens (Zen 5; not measured on others yet).
MANY_TOKENS: Final = 48
PAYS = not MANY_REGISTERS


def left_to_blas(tokens: int) -> bool:
    """Whether a product of ``tokens`` with native weights is faster there."""
    return PAYS and tokens >= MANY_TOKENS


@contextmanager
def blas_threads() -> Iterator[None]:
    """Let torch use the kernels' number of threads for a while; at other times it would wait on the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)
