"""Run some rows of a batch through the model."""

from collections.abc import Sequence

import torch

from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner


def run_rows(
    model: Decoder,
    cache: KVCache,
    rows: Sequence[int],
    tokens: Sequence[Sequence[int]],
    starts: Sequence[int],
    mlp: MlpRunner,
    *,
    last_only: bool = False,
) -> torch.Tensor:
    """Run ``tokens[i]`` of the cache's row ``rows[i]`` from position ``starts[i]`` on; lists may differ in length.

    Gives the logits after every token, one row's after the other's, ``fp32[sum of lengths, V]``; with ``last_only``
    those after each row's last token alone. What padding computes is dropped here.
    """
    lengths = [len(ids) for ids in tokens]
    width, device = max(lengths), model.weights.head.device
    padded = torch.tensor([[*ids, *([0] * (width - len(ids)))] for ids in tokens], device=device)
    places = None if list(rows) == list(range(len(cache.lengths))) else torch.tensor(rows, device=device)
    hidden = model.run(padded, torch.tensor(starts, device=device), cache, rows=places, mlp=mlp)
    return model.logits(_pick(hidden, lengths, last_only))


def _pick(hidden: torch.Tensor, lengths: list[int], last_only: bool) -> torch.Tensor:
    if last_only:
        return torch.stack([hidden[i, length - 1] for i, length in enumerate(lengths)])
    if min(lengths) == max(lengths):
        return hidden.reshape(-1, hidden.shape[-1])
    return torch.cat([hidden[i, :length] for i, length in enumerate(lengths)])
