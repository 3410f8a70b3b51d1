"""Intervals of paired differences, recovery, agreement."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.services.bench.quality.statistics import agreement, first_difference, paired_difference, recovery

BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)


@given(BITS)
def test_the_interval_holds_the_difference_of_the_means(pairs: list[tuple[bool, bool]]) -> None:
    own, other = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    interval = paired_difference(own, other)
    assert interval.value == pytest.approx(statistics.fmean(own) - statistics.fmean(other))
    assert interval.low <= interval.value + 1e-12
    assert interval.high >= interval.value - 1e-12
    back = paired_difference(other, own)
    assert back.value == pytest.approx(-interval.value)


def test_the_interval_is_that_of_the_normal_theory_for_many_items() -> None:
    generator = random.Random(7)
    pairs = [(float(generator.random() < 0.7), float(generator.random() < 0.5)) for _ in range(800)]
    interval = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    gaps = [a - b for a, b in pairs]
    half = 1.96 * statistics.stdev(gaps) / len(gaps) ** 0.5
    assert interval.high - interval.value == pytest.approx(half, rel=0.08)
    assert interval.value - interval.low == pytest.approx(half, rel=0.08)


def test_pairing_narrows_the_interval_of_methods_that_fail_alike() -> None:
    hard = [float(i % 2) for i in range(100)]
    nearly = [*hard[:-1], 1.0 - hard[-1]]
    interval = paired_difference(nearly, hard)
    assert interval.high - interval.low < 0.05


def test_the_same_answers_differ_by_nothing_and_the_draws_are_the_same_every_time() -> None:
    assert paired_difference([1.0, 0.0], [1.0, 0.0]) == paired_difference([0.0, 1.0], [0.0, 1.0])
    once = paired_difference([1.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    assert once == paired_difference([1.0, 0.0, 1.0], [0.0, 0.0, 1.0])


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0], [])


def test_recovery() -> None:
    assert recovery(dense=0.75, sparse=0.38, corrected=0.70) == pytest.approx(0.32 / 0.37)
    assert recovery(dense=0.5, sparse=0.5, corrected=0.4) is None
    assert recovery(dense=0.58, sparse=0.62, corrected=0.52) is None


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_the_first_difference(one: list[int], other: list[int]) -> None:
    place = first_difference(one, other)
    if place is None:
        assert one == other
    else:
        assert one[:place] == other[:place]
        assert one[place : place + 1] != other[place : place + 1]


def test_agreement_counts_answers_that_are_the_same_to_the_end() -> None:
    found = agreement([[1, 2, 3], [1, 2], [5]], [[1, 2, 3], [1, 2, 3], [6]])
    assert (found.compared, found.same) == (3, 1)
    assert found.first_difference is not None
    assert found.first_difference.median == 1.0
