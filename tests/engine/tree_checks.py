"""What a cache and a statistic must hold after a check."""

import torch

from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache


def assert_holds(engine, cache, ids):
    """The only row of ``cache`` is what a fresh dense prefill of ``ids`` writes."""
    assert cache.lengths == [len(ids)]
    fresh = KVCache(engine.model.config, 1, len(ids), dtype=torch.float32)
    engine.model.run(torch.tensor([ids]), torch.tensor([0]), fresh)
    for held, expected in zip((*cache.k, *cache.v), (*fresh.k, *fresh.v), strict=True):
        torch.testing.assert_close(held[:, :, : len(ids)], expected, atol=1e-5, rtol=1e-5)


def scores_of(engine, ids):
    """The statistic of ``ids`` read densely."""
    config, cache = engine.model.config, KVCache(engine.model.config, 1, len(ids), dtype=torch.float32)
    statistic = NeuronStatistic(len(config.layers), 1, config.intermediate_size)
    engine.model.run(torch.tensor([ids]), torch.tensor([0]), cache, mlp=statistic)
    statistic.fold([0], [len(ids)], [len(ids)])
    return statistic.scores
