"""Dense prefill: a prompt enters the cache in chunks, and what follows its last token comes out."""

import torch

from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.row import Row

CHUNK = 512  # tokens of a pass: bounds the memory of activations, and how long a cancel waits


@torch.inference_mode()
def prefill_chunk(model: Decoder, cache: KVCache, row: Row, statistic: NeuronStatistic | None) -> torch.Tensor | None:
    """Run the next chunk of ``row``. Gives the logits ``[V]`` after its prompt once it is through."""
    place = row.place
    start = cache.lengths[place]
    chunk = row.ids[start : start + CHUNK]
    logits = run_rows(model, cache, [place], [chunk], [start], statistic or dense_mlp, last_only=True)
    cache.advance(place, len(chunk))
    if statistic is not None:
        statistic.fold([place], [len(chunk)], [len(chunk)])
    return logits[0] if cache.lengths[place] == len(row.ids) else None
