"""Run some rows of a batch through the model."""

from collections.abc import Sequence
from itertools import accumulate

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
    tree: torch.Tensor | None = None,
) -> torch.Tensor:
    """Run ``tokens[i]`` of the cache's row ``rows[i]`` from position ``starts[i]`` on; lists may differ in length.

    Gives the logits after every token, one row's after the other's, ``fp32[sum of lengths, V]``; with ``last_only``
    those after each row's last token alone. ``mlp`` gets the tokens in the same order. ``tree`` is as for
    :meth:`Decoder.run`, for lists of one length.
    """
    lengths = [len(ids) for ids in tokens]
    if min(lengths) != max(lengths):
        rows, tokens, starts = _one_by_one(rows, tokens, starts)
    cache.expect_room(starts, len(tokens[0]))
    device = model.weights.head.device
    places = None if list(rows) == list(range(len(cache.lengths))) else torch.tensor(rows, device=device)
    ids = torch.tensor(tokens, device=device)
    paths = None if tree is None else tree.to(device)
    hidden = model.run(ids, torch.tensor(starts, device=device), cache, rows=places, mlp=mlp, tree=paths).flatten(0, 1)
    return model.logits(hidden[[end - 1 for end in accumulate(lengths)]] if last_only else hidden)


def finished(logits: torch.Tensor) -> torch.Tensor:
    """``logits``, once they are there: a clock that is read before has only timed what asks a GPU for them."""
    if logits.is_cuda:
        torch.cuda.synchronize(logits.device)
    return logits


def _one_by_one(
    rows: Sequence[int], tokens: Sequence[Sequence[int]], starts: Sequence[int]
) -> tuple[list[int], list[list[int]], list[int]]:
    """The same tokens as rows of one token each, so that nothing is padded.

    Tokens of one text may be apart: a pass writes the keys of all before any of them attends.
    """
    apart = [
        (row, [token], start + i)
        for row, ids, start in zip(rows, tokens, starts, strict=True)
        for i, token in enumerate(ids)
    ]
    return [row for row, _, _ in apart], [ids for _, ids, _ in apart], [start for _, _, start in apart]
