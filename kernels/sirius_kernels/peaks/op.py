"""What greedy decoding asks of the scores of a whole vocabulary."""

from dataclasses import dataclass

import torch

from sirius_kernels.contracts import Impl, expect_dtype, expect_shape
from sirius_kernels.peaks import reference


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of each row of scores: the ``token`` (``int64[N]``) with the largest, the first among equals, and in ``fp32[N]``

    - its ``probability``;
    - ``normaliser``, the logarithm of the sum of all exponentials: a score less that is a log-probability;
    - ``warm``, the same of scores divided by the temperature;
    - ``entropy`` in nats.
    """

    token: torch.Tensor
    probability: torch.Tensor
    normaliser: torch.Tensor
    warm: torch.Tensor
    entropy: torch.Tensor


def peaks(logits: torch.Tensor, *, temperature: float = 1.0, impl: Impl) -> Peaks:
    """Of ``logits``, ``fp32[N, V]``. ``numba`` takes torch's ops."""
    expect_shape("logits", logits, None, None)
    expect_dtype("logits", logits, torch.float32)
    if impl == "triton":
        from sirius_kernels.peaks import gpu

        return Peaks(*gpu.peaks(logits, temperature))
    return Peaks(*reference.peaks(logits, temperature))
