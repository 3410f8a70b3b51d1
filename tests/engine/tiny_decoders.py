"""Load tiny models into the decoder and run tokens through it."""

from pathlib import Path

import torch

from sirius_cli.engine.backend import torch_ops
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.models.families import read_config
from sirius_cli.engine.weights import load_weights


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """The model of ``folder`` on the reference ops."""
    config = read_config(folder)
    return Decoder(config, load_weights(folder, config, dtype=dtype), torch_ops())


def new_cache(decoder: Decoder, rows: int = 1, capacity: int = 32) -> KVCache:
    """A cache full of NaN, so that reading a slot before it was written shows."""
    cache = KVCache(decoder.config, rows, capacity, dtype=decoder.weights.embedding.dtype)
    for tensor in (*cache.k, *cache.v):
        tensor.fill_(float("nan"))
    return cache


def all_logits(decoder: Decoder, hidden: torch.Tensor) -> torch.Tensor:
    """``[R, T, D]`` -> ``fp32[R, T, V]``."""
    return decoder.logits(hidden.flatten(0, 1)).view(*hidden.shape[:2], -1)


def in_pieces(decoder: Decoder, tokens: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Logits of ``[1, T]`` tokens, run ``sizes`` at a time over one cache."""
    cache, pieces, start = new_cache(decoder), [], 0
    for size in sizes:
        hidden = decoder.run(tokens[:, start : start + size], torch.tensor([start]), cache)
        pieces.append(all_logits(decoder, hidden))
        start += size
    return torch.cat(pieces, dim=1)
