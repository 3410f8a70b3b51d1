"""Aggregates are what counting by hand gives, for any stream of events."""

from collections import Counter
from itertools import chain

import pytest
from correction_streams import HEADER, inspection
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.events import Checked, Committed, CommittedToken, Drafted, Origin, Prefilled, StepEvent
from sirius_cli.core.metrics import fold
from sirius_cli.core.trace import Trace
from sirius_cli.services.inspection import aggregates
from sirius_cli.services.inspection.facts import Inspection, metrics_of
from sirius_cli.services.inspection.folding import run_of


@st.composite
def windows(draw: st.DrawFn, row: int, number: int) -> list[StepEvent]:
    drafted = draw(st.integers(0, 6))
    accepted = draw(st.integers(0, drafted))
    committed = draw(st.integers(1, accepted + 1))  # fewer where a stop cuts the window
    last: Origin = "correction" if accepted < drafted else "bonus"
    tokens = [CommittedToken(n, f"t{n}", "draft", 0.5) for n in range(accepted)]
    tokens.append(CommittedToken(99, "dense", last, 0.6, 98, "draft", 0.1))
    drafts = [Drafted(row, 0.1, number, (n,), (f"t{n}",), (0.5,), 0.6, 0.5, 0.01) for n in range(drafted)]
    return [
        *drafts,
        Checked(row, 0.1, number, drafted, accepted, False, 0.01),
        Committed(row, 0.1, number, tuple(tokens[:committed])),
    ]


@st.composite
def streams(draw: st.DrawFn) -> list[StepEvent]:
    """Several answers of up to two rows, window by window in any order."""
    events: list[StepEvent] = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(1, 2))
        for row in range(rows):
            events.append(Prefilled(row, 0.1, 4, 0, 0.1))
            events.append(Committed(row, 0.1, 0, (CommittedToken(1, "a", "prefill", 0.5),)))
        order = draw(st.lists(st.integers(0, rows - 1), max_size=8))
        events += chain.from_iterable(draw(windows(row, number)) for number, row in enumerate(order, start=1))
    return events


def inspected(events: list[StepEvent]) -> Inspection:
    return Inspection((run_of("run", Trace(HEADER, tuple(events), None)),))


@given(streams())
def test_acceptance_agrees_with_counting(events: list[StepEvent]) -> None:
    checks = [event for event in events if isinstance(event, Checked)]
    rates = {rate.position: rate for rate in aggregates.acceptance_by_position(inspected(events).requests)}
    for position in range(1, 7):
        offered = sum(check.drafted >= position for check in checks)
        if offered == 0:
            assert position not in rates
            continue
        rate = rates[position]
        assert rate.offered == offered
        assert rate.accepted == sum(check.accepted >= position for check in checks)
        assert rate.reached == sum(check.accepted >= position - 1 for check in checks if check.drafted >= position)
        assert rate.rate == rate.accepted / offered
        assert 0 <= rate.low <= rate.rate <= rate.high <= 1


@given(streams())
def test_histogram_and_density_agree_with_the_metrics(events: list[StepEvent]) -> None:
    requests, metrics = inspected(events).requests, fold(events)
    assert dict(aggregates.advance_histogram(requests)) == Counter(metrics.advances)
    series = aggregates.density_series(requests)
    if metrics.effective_density is None:
        assert series == ()
    else:
        assert series[-1].overall == pytest.approx(metrics.effective_density)
    assert metrics_of(requests).committed_tokens == metrics.committed_tokens


@given(streams())
def test_classes_and_pairs_count_every_correction(events: list[StepEvent]) -> None:
    found = inspected(events)
    committed = [token for event in events if isinstance(event, Committed) for token in event.tokens]
    total = sum(token.origin == "correction" for token in committed)
    classes = aggregates.by_class(found.requests)
    assert sum(count.corrections for count in classes) == total
    assert sum(count.tokens for count in classes) == len(committed)
    assert sum(pair.count for pair in aggregates.frequent_pairs(found.corrections)) == total


def test_wilson_is_the_published_interval() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263."""
    low, high = aggregates.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_the_most_frequent_pair_comes_first() -> None:
    corrections = inspection().corrections
    pairs = aggregates.frequent_pairs([*corrections, corrections[3]])
    assert (pairs[0].draft, pairs[0].dense, pairs[0].count) == (" 160", " 180", 2)
    assert pairs[0].margin == pytest.approx(0.66)


def test_recent_density_forgets_old_windows() -> None:
    series = aggregates.density_series(inspection().requests, latest=1)
    windows = inspection().requests[0].windows
    assert series[-1].recent == pytest.approx(windows[-1].work / windows[-1].committed)


def test_a_forged_window_makes_no_table_of_millions() -> None:
    events: list[StepEvent] = [
        Prefilled(0, 0.1, 3, 0, 0.1),
        Checked(0, 0.2, 1, 10**9, 10**9, False, 0.1),
        Committed(0, 0.2, 1, (CommittedToken(1, "a", "bonus", 0.5),)),
    ]
    assert len(aggregates.acceptance_by_position(inspected(events).requests)) == 256


def test_activity_is_averaged_by_layer() -> None:
    assert aggregates.mean_activity(inspection().requests) == pytest.approx((0.1, 0.12, 0.14, 0.16))
