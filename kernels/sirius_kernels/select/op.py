"""Pick the neurons with the largest scores."""

import torch

from sirius_kernels.contracts import ContractError, Impl, expect_shape
from sirius_kernels.select import reference


def select_rows(scores: torch.Tensor, count: int, *, magnitude: bool = False, impl: Impl) -> torch.Tensor:
    """Ascending numbers, ``int32[count]``, of the ``count`` largest of ``scores[F]``; among equals the first win.

    With ``magnitude`` it is the scores without their signs that count.
    """
    expect_shape("scores", scores, None)
    if not 0 <= count <= scores.shape[0]:
        raise ContractError(f"cannot select {count} of {scores.shape[0]} rows")
    if impl == "triton":
        from sirius_kernels.select import gpu

        return gpu.select_rows(scores, count, magnitude)
    scores = scores.abs() if magnitude else scores
    if impl == "numba":
        from sirius_kernels.select import cpu

        return cpu.select_rows(scores, count)
    return reference.select_rows(scores, count)
