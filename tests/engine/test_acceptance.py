"""Each acceptance rule alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.core.request import SamplingSpec
from sirius_cli.engine.acceptance import accepted_prefix, agrees, is_likely, judge, speculative
from sirius_cli.engine.sampling import Chooser, certain, distribution, token_probabilities

GREEDY = Chooser(SamplingSpec())


def rows(*probabilities):
    """Logits with the given probabilities at temperature 1."""
    return torch.tensor(probabilities).log()


@given(st.lists(st.booleans(), max_size=20))
def test_accepted_prefix_counts_up_to_the_first_refusal(kept):
    expected = kept.index(False) if False in kept else len(kept)
    assert accepted_prefix(torch.tensor(kept, dtype=torch.bool)) == expected


def test_exact_accepts_the_argmax_alone():
    logits = rows([0.1, 0.6, 0.3], [0.5, 0.2, 0.3])
    assert agrees(logits, torch.tensor([1, 2])).tolist() == [True, False]


def test_likelihood_takes_the_threshold_at_its_temperature():
    logits = rows([0.55, 0.40, 0.05], [0.55, 0.40, 0.05])
    assert is_likely(logits, torch.tensor([1, 2]), 0.1, 1.0).tolist() == [True, False]
    # At temperature 0.5 probabilities are squared: 0.05 falls to 0.0025 / 0.465, and 0.40 to 0.344.
    assert is_likely(logits, torch.tensor([1, 1]), 0.35, 0.5).tolist() == [False, False]
    assert is_likely(logits, torch.tensor([1, 1]), 0.34, 0.5).tolist() == [True, True]


def test_likelihood_never_refuses_the_argmax():
    flat = torch.zeros(1, 50)
    flat[0, 7] = 1e-3
    assert is_likely(flat, torch.tensor([7]), 0.9, 0.6).tolist() == [True]
    assert is_likely(flat, torch.tensor([8]), 0.9, 0.6).tolist() == [False]


def test_the_token_after_the_last_accepted_one_comes_from_its_own_row():
    logits = rows([0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8])
    spec = CorrectionSpec(accept="exact")
    assert judge(spec, GREEDY, logits, [1, 0], []).token == 2
    assert judge(spec, GREEDY, logits, [1, 2], []).token == 0
    assert judge(spec, GREEDY, logits, [1, 2], []).accepted == 1
    assert judge(spec, GREEDY, logits[:1], [], []).token == 1


def chi_square(counts, expected):
    return float(((counts - expected).square() / expected).sum())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("q", [torch.tensor([0.05, 0.15, 0.20, 0.25, 0.35]), certain(1, 5)], ids=["drawn", "looked up"])
def test_speculative_sampling_draws_from_the_dense_distribution(q, seed):
    p = torch.tensor([[0.40, 0.30, 0.15, 0.10, 0.05], [0.2, 0.2, 0.2, 0.2, 0.2]])
    chooser = Chooser(SamplingSpec(temperature=1.0, seed=seed))
    trials, counts = 8000, torch.zeros(5)
    for _ in range(trials):
        drafted = chooser.draw(q)
        verdict = speculative(p, [q], [drafted], chooser)
        counts[drafted if verdict.accepted else verdict.token] += 1
    assert chi_square(counts, trials * p[0]) < 18.47  # 0.999 quantile, 4 degrees of freedom


def test_speculative_accepts_everything_when_draft_and_dense_agree():
    p = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    chooser = Chooser(SamplingSpec(temperature=1.0))
    assert all(speculative(p, [p[0]], [i % 2], chooser).accepted == 1 for i in range(50))


def test_top_k_and_top_p_keep_the_likeliest():
    logits = rows([0.4, 0.3, 0.2, 0.1])
    spec = SamplingSpec(temperature=1.0, top_k=3)
    assert distribution(logits, spec)[0].tolist() == pytest.approx([4 / 9, 3 / 9, 2 / 9, 0])
    assert distribution(logits, SamplingSpec(temperature=1.0, top_p=0.65))[0].tolist() == pytest.approx(
        [4 / 7, 3 / 7, 0, 0]
    )
    assert distribution(logits, SamplingSpec(temperature=1.0, top_p=0.01))[0].tolist() == [1, 0, 0, 0]
    assert distribution(1000 * logits, SamplingSpec(temperature=1e-300))[0].tolist() == [1, 0, 0, 0]


def test_token_probabilities_are_the_softmax():
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    expected = logits.softmax(-1)[range(4), [0, 8, 3, 3]].tolist()
    assert token_probabilities(logits, [0, 8, 3, 3]) == pytest.approx(expected)
