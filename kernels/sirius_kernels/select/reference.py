"""``select_rows`` in plain torch."""

import torch


def select_rows(scores: torch.Tensor, count: int) -> torch.Tensor:
    """See :func:`sirius_kernels.select.op.select_rows`."""
    order = scores.sort(descending=True, stable=True).indices
    return order[:count].sort().values.to(torch.int32)
