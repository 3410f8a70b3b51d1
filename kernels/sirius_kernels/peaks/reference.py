"""``peaks`` in plain torch."""

import torch


def peaks(logits: torch.Tensor, temperature: float) -> tuple[torch.Tensor, ...]:
    """See :func:`sirius_kernels.peaks.op.peaks`; the fields in their order."""
    token, normaliser = logits.argmax(-1), logits.logsumexp(-1)
    logarithms = logits - normaliser[:, None]
    probability = logarithms.gather(1, token[:, None])[:, 0].exp()
    return (
        token,
        probability,
        normaliser,
        (logits / temperature).logsumexp(-1),
        -(logarithms.exp() * logarithms).sum(-1),
    )
