"""`exact` sampling through the whole loop draws from the dense distribution."""

from collections import Counter

import pytest
import torch
from engines import DENSE, ids_of, make_engine, profile
from tiny_models import random_tokens, save_model

from sirius_cli.core.request import GenerationRequest, SamplingSpec

TRIALS = 1000


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A model with a vocabulary of 4, so that pairs of tokens can be counted."""
    folder = tmp_path_factory.mktemp("four")
    save_model(folder, "llama", vocab_size=4, num_hidden_layers=1, hidden_size=24, intermediate_size=16)
    return make_engine(folder)


def samples(engine, chosen, first_seed):
    engine.profile = chosen
    prompt = tuple(random_tokens(1, 6, vocabulary=4)[0].tolist())
    counts = Counter()
    for seed in range(first_seed, first_seed + TRIALS):
        spec = SamplingSpec(temperature=1.3, seed=seed)
        counts[tuple(ids_of(engine.generate(GenerationRequest(prompt, max_new_tokens=4, sampling=spec)))[1:3])] += 1
    return torch.tensor([float(counts[a, b]) for a in range(4) for b in range(4)])


@pytest.fixture(scope="module")
def dense(engine):
    return samples(engine, DENSE, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "lookup", "width"), [("coarse", 0, 1), ("coarse", 1, 1), ("dense", 1, 1), ("coarse", 0, 3)]
)
def test_pairs_of_tokens_are_distributed_as_in_dense_sampling(method, lookup, width, engine):
    """With four tokens, nearly every one of them has been there before: most windows end in a look-up."""
    dense = samples(engine, DENSE, 0)
    exact = samples(engine, profile(method, keep=0.2, accept="exact", window=4, lookup=lookup, tree_width=width), 10**6)
    seen = (dense + exact) > 0
    both = (dense + exact)[seen]
    # Two samples of one size: the homogeneity statistic, 15 degrees of freedom at most, 0.999 quantile.
    assert float(((dense - exact)[seen].square() / both).sum()) < 37.7
