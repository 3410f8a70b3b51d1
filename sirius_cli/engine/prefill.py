"""Dense prefill: the prompts enter the cache in chunks, and the first tokens come out."""

from collections.abc import Sequence

import torch

from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.row import Row

CHUNK = 512  # tokens of a row per pass: bounds the memory of activations, and how long a cancel waits


@torch.inference_mode()
def prefill_chunk(
    model: Decoder, cache: KVCache, rows: Sequence[Row], statistic: NeuronStatistic | None
) -> dict[int, torch.Tensor]:
    """Run the next chunk of each of ``rows``, which are not yet through their prompts.

    Gives the logits ``[V]`` after the prompt for each row index that is now through.
    """
    starts = [cache.lengths[row.index] for row in rows]
    chunks = [row.ids[start : start + CHUNK] for row, start in zip(rows, starts, strict=True)]
    indices = [row.index for row in rows]
    logits = run_rows(model, cache, indices, chunks, starts, statistic or dense_mlp, last_only=True)
    for index, chunk in zip(indices, chunks, strict=True):
        cache.advance(index, len(chunk))
    if statistic is not None:
        statistic.fold(indices, [len(chunk) for chunk in chunks])
    return {row.index: logits[i] for i, row in enumerate(rows) if cache.lengths[row.index] == len(row.ids)}
