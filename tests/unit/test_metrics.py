"""The figures, against hand-made runs and the paper's published rows."""

from collections.abc import Sequence

import pytest
from correction_streams import branched
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    Loaded,
    Origin,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.metrics import MetricsFold, combine, fold


def prefill(*, row: int = 0, at: float = 0.1) -> list[StepEvent]:
    return [Prefilled(row, at, 5, 0, at), committed(["prefill"], row=row, at=at, window=0)]


def committed(origins: Sequence[Origin], *, row: int = 0, at: float = 0.0, window: int = 1) -> Committed:
    return Committed(row, at, window, tuple(CommittedToken(7, "x", origin, 0.5) for origin in origins))


def looked_up(tokens: int) -> Drafted:
    return Drafted(0, 0.0, 1, (7,) * tokens, ("x",) * tokens, (1.0,) * tokens, 0.0, 0.0, 0.001, "lookup")


def drafted(steps: int, *, row: int = 0, density: float = 0.65, read: float = 0.6, seconds: float = 0.0) -> Drafted:
    return Drafted(row, 0.0, 1, (7,) * steps, ("x",) * steps, (0.5,) * steps, density, read, seconds)


def window(
    steps: int, accepted: int, *, row: int = 0, at: float = 0.0, density: float = 0.65, read: float = 0.6
) -> list[StepEvent]:
    last: Origin = "bonus" if accepted == steps else "correction"
    kept: list[Origin] = ["draft"] * accepted
    return [
        drafted(steps, row=row, density=density, read=read, seconds=0.01 * steps),
        Checked(row, at, 1, steps, accepted, False, 0.03),
        committed([*kept, last], row=row, at=at),
    ]


def test_what_is_looked_up_costs_the_check_alone() -> None:
    kept: list[Origin] = ["draft", "draft", "lookup", "lookup", "lookup", "correction"]
    check = Checked(0, 1.0, 1, 7, 5, False, 0.03)
    metrics = fold([*prefill(), drafted(2, seconds=0.02), looked_up(5), check, committed(kept, at=1.0)])
    assert metrics.looked_up == pytest.approx(3 / 7)
    assert metrics.effective_density == pytest.approx((2 * 0.65 + 1) / 6)
    assert metrics.effective_read == pytest.approx((2 * 0.6 + 1) / 6)
    assert metrics.draft_density == pytest.approx(0.65)
    assert metrics.draft_step_ms == pytest.approx(10)
    assert fold([*prefill(), *window(3, 3)]).looked_up == 0.0


def test_nothing_yet_is_undefined_and_not_zero() -> None:
    metrics = fold([Loaded("m", "cpu", "float32", 1, 0.1, {})])
    assert metrics.committed_tokens == metrics.checks == 0
    assert metrics.advances == ()
    undefined = (
        metrics.aal,
        metrics.draft_density,
        metrics.draft_read,
        metrics.effective_density,
        metrics.effective_read,
        metrics.corrected_fraction,
        metrics.ttft_ms,
        metrics.decode_tokens_per_second,
        metrics.draft_step_ms,
        metrics.check_ms,
        metrics.check_cost_ratio,
    )
    assert undefined == (None,) * 11


def test_windows_by_hand() -> None:
    events = [*prefill(at=0.1), *window(3, 3, at=0.2), *window(3, 1, at=0.6), Finished(0, 0.7, "length", "")]
    metrics = fold(events, dense_step_ms=20.0)
    assert metrics.committed_tokens == 1 + 4 + 2
    assert metrics.checks == 2
    assert metrics.advances == (4, 2)
    assert metrics.aal == 3.0
    assert metrics.draft_density == pytest.approx(0.65)
    assert metrics.draft_read == pytest.approx(0.6)
    assert metrics.effective_density == pytest.approx((6 * 0.65 + 2) / 6)
    assert metrics.effective_read == pytest.approx((6 * 0.6 + 2) / 6)
    assert metrics.corrected_fraction == pytest.approx(1 / 7)
    assert metrics.ttft_ms == pytest.approx(100.0)
    assert metrics.decode_tokens_per_second == pytest.approx(6 / 0.5)
    assert metrics.draft_step_ms == pytest.approx(10.0)
    assert metrics.check_ms == pytest.approx(30.0)
    assert metrics.check_cost_ratio == pytest.approx(1.5)


@pytest.mark.parametrize(("density", "aal", "published"), [(0.65, 15.22, 0.706), (0.76, 15.37, 0.807)])
def test_published_rows_of_the_paper(density: float, aal: float, published: float) -> None:
    """100 windows of 16 with the paper's average advance give its effective density."""
    rejected = round((16 - aal) * 100)
    events = prefill()
    for index in range(100):
        events += window(15, 14 if index < rejected else 15, density=density)
    metrics = fold(events)
    assert metrics.aal == pytest.approx(aal)
    assert metrics.effective_density == pytest.approx((15 * density + 1) / aal)
    assert metrics.effective_density == pytest.approx(published, abs=5e-4)


def test_dense_steps_cost_one_each() -> None:
    step: list[StepEvent] = [Checked(0, 0.2, 1, 0, 0, False, 0.02), committed(["dense"], at=0.2)]
    metrics = fold([*prefill(), *step, *step])
    assert (metrics.committed_tokens, metrics.checks, metrics.advances) == (3, 2, (1, 1))
    assert (metrics.aal, metrics.effective_density, metrics.effective_read) == (1.0, 1.0, 1.0)
    assert (metrics.draft_density, metrics.draft_step_ms, metrics.corrected_fraction) == (None, None, 0.0)


def test_draft_alone_has_its_own_density_and_no_aal() -> None:
    step: list[StepEvent] = [drafted(1), committed(["draft"], at=0.2)]
    metrics = fold([*prefill(), *step, *step])
    assert metrics.effective_density == pytest.approx(0.65)
    assert metrics.effective_read == pytest.approx(0.6)
    assert (metrics.aal, metrics.checks, metrics.advances, metrics.check_ms) == (None, 0, (), None)


def test_a_window_counts_only_once_it_commits() -> None:
    whole = [*prefill(), *window(3, 3, at=0.2)]
    assert fold([*whole, drafted(3), Checked(0, 0.3, 2, 3, 3, False, 0.03)]) == fold(whole)


def test_rows_apart_and_together() -> None:
    events = [*prefill(row=0, at=0.1), *prefill(row=1, at=0.1)]
    events += [*window(3, 3, row=0, at=0.2), *window(3, 0, row=1, at=0.2), *window(3, 3, row=0, at=0.3)]
    state = MetricsFold()
    for event in events:
        state.add(event)
    assert state.rows == (0, 1)
    assert state.metrics(row=0).aal == 4.0
    assert state.metrics(row=1).aal == 1.0
    both = state.metrics()
    assert both.aal == 3.0
    assert both.decode_tokens_per_second == pytest.approx(9 / 0.2)
    assert state.metrics(row=1).decode_tokens_per_second == pytest.approx(1 / 0.1)


def test_a_second_answer_starts_its_own_clock() -> None:
    answer = [*prefill(at=0.1), *window(3, 3, at=0.3)]
    once, twice = fold(answer), fold([*answer, *answer])
    assert twice.committed_tokens == 2 * once.committed_tokens
    assert twice.decode_tokens_per_second == pytest.approx(once.decode_tokens_per_second)
    assert twice.ttft_ms == once.ttft_ms


@given(st.lists(st.integers(0, 7).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(0, steps)))))
def test_every_committed_token_is_the_first_or_in_an_advance(windows: list[tuple[int, int]]) -> None:
    events = prefill()
    for steps, accepted in windows:
        events += window(steps, accepted)
    metrics = fold(events)
    assert metrics.committed_tokens == 1 + sum(metrics.advances)
    assert metrics.advances == tuple(accepted + 1 for _, accepted in windows)
    if windows:
        cost = sum(steps * 0.65 + 1 for steps, _ in windows)
        assert metrics.effective_density == pytest.approx(cost / sum(metrics.advances))


def test_what_a_cancelled_window_cost_is_not_the_next_answers() -> None:
    state = MetricsFold()
    for event in [*prefill(), drafted(9), *prefill(), *window(3, 3, at=0.2)]:
        state.add(event)
    assert state.metrics().effective_density == pytest.approx((3 * 0.65 + 1) / 4)


def test_tallies_kept_apart_give_the_figures_of_all() -> None:
    state = MetricsFold()
    for event in [*prefill(), *window(3, 1, at=0.3), *prefill(), *window(3, 3, at=0.2), *window(2, 0, at=0.5)]:
        state.add(event)
    assert len(state.tallies) == 2
    assert combine(state.tallies) == state.metrics()


def test_a_step_of_a_tree_reads_the_weights_once_however_many_nodes_it_has() -> None:
    metrics = fold(branched())
    assert metrics.effective_density == pytest.approx((2 * 0.5 + 1) / 2)
    assert metrics.effective_read == pytest.approx((2 * 0.4 + 1) / 2)
    assert metrics.draft_step_ms == pytest.approx(100)
    assert metrics.advances == (2,)
