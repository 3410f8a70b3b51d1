"""What the answers of two methods to the same items say about the difference between them."""

from collections.abc import Sequence

import numpy as np

from sirius_cli.core.statistics import summarise
from sirius_cli.services.bench.quality.results import Agreement, Interval

_RESAMPLES = 10_000
_SEED = 20_240_906


def paired_difference(scores: Sequence[float], baseline: Sequence[float]) -> Interval:
    """The mean of ``scores`` minus ``baseline``, item by item, with its interval of 95 %.

    A percentile bootstrap over items (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13): both methods
    answered the same items, so items are drawn, not answers. The draws are the same every time.
    """
    if len(scores) != len(baseline) or not scores:
        raise ValueError(f"{len(scores)} and {len(baseline)} scores cannot be paired")
    gaps = np.asarray(scores, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    generator = np.random.default_rng(_SEED)
    picks = generator.integers(0, len(gaps), size=(_RESAMPLES, len(gaps)), dtype=np.int32)
    low, high = np.percentile(gaps[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(gaps.mean()), float(low), float(high))


def recovery(dense: float, sparse: float, corrected: float) -> float | None:
    """How much of what the draft alone loses the check brings back; None where it loses nothing."""
    return None if dense <= sparse else (corrected - sparse) / (dense - sparse)


def agreement(answers: Sequence[Sequence[int]], baseline: Sequence[Sequence[int]]) -> Agreement:
    """How many of ``answers`` have the token ids of ``baseline``'s, and where the others part from them."""
    places = [first_difference(*pair) for pair in zip(answers, baseline, strict=True)]
    parting = [place for place in places if place is not None]
    return Agreement(len(places), len(places) - len(parting), summarise(parting) if parting else None)


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first place at which two answers differ, one that ends included; None if they are equal."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return None if len(one) == len(other) else min(len(one), len(other))
