"""What windows gain: the maths, and what it takes from measurements."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.profile import DraftSpec
from sirius_cli.core.windows import Acceptance, StepCosts, acceptance_of, best, predict, replayed
from sirius_cli.errors import ModelError
from sirius_cli.services.bench.speed_costs import read_passes, step_costs

RATES = st.floats(0.0, 0.99)
TIMES = st.floats(0.01, 100.0)
ROW = {"name": "dense step", "depth": 512, "tokens": 1, "milliseconds": {"median": 10.0}}
COARSE = DraftSpec(method="coarse", keep=0.5)


def costs(draft: float, check: float, dense: float = 1.0) -> StepCosts:
    return StepCosts(dense, draft, {1: check, 64: check})


@given(RATES, TIMES, TIMES, st.integers(1, 64))
def test_constant_acceptance_and_costs_have_a_closed_form(a: float, c: float, check: float, window: int) -> None:
    (point,) = predict(costs(c, check), Acceptance((), a), [window])
    assert point.advance == pytest.approx((1 - a**window) / (1 - a))
    assert point.speedup == pytest.approx((1 - a**window) / (1 - a) / ((window - 1) * c + check))
    assert point.tokens_per_second == pytest.approx(1000 * point.speedup)


@given(st.lists(RATES, max_size=12), RATES, st.integers(1, 40))
def test_a_longer_window_advances_further_but_never_by_more_than_a_token(
    kept: list[float], tail: float, k: int
) -> None:
    acceptance = Acceptance(tuple(kept), tail)
    assert acceptance.advance(k) <= acceptance.advance(k + 1) <= acceptance.advance(k) + 1
    assert 1.0 <= acceptance.advance(k) <= k


@given(st.lists(st.integers(1, 100).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_observed_positions_count_as_observed(rates: list[tuple[int, int]]) -> None:
    acceptance = acceptance_of(rates)
    assert acceptance.kept == tuple(accepted / reached for accepted, reached in rates)
    last = rates[-4:]
    assert min(a / r for a, r in last) <= acceptance.tail <= max(a / r for a, r in last)


def test_only_windows_beyond_what_was_observed_are_extrapolated() -> None:
    points = predict(costs(0.5, 1.0), acceptance_of([(8, 10), (4, 8), (0, 0), (1, 1)]), range(1, 6))
    assert [point.extrapolated for point in points] == [False, False, False, True, True]
    assert points[2].advance == pytest.approx(1 + 0.8 + 0.8 * 0.5)


def test_nothing_judged_is_no_acceptance() -> None:
    with pytest.raises(ValueError, match="judged"):
        acceptance_of([(0, 0)])


@given(RATES, TIMES, TIMES)
def test_the_best_is_the_fastest_and_of_equals_the_shortest(a: float, c: float, check: float) -> None:
    points = predict(costs(c, check), Acceptance((), a), range(1, 20))
    chosen = best(points)
    assert chosen.speedup == max(point.speedup for point in points)
    assert chosen.window == min(point.window for point in points if point.speedup == chosen.speedup)


@given(st.integers(2, 63))
def test_checks_between_two_measured_ones_lie_on_a_line(tokens: int) -> None:
    between = StepCosts(1.0, 1.0, {1: 1.0, 64: 64.0, 200: 900.0})
    assert between.check(tokens) == pytest.approx(tokens)
    assert between.check(64) == 64.0
    assert between.longest == 200


@pytest.mark.parametrize("tokens", [0, 65])
def test_a_check_beyond_the_measured_ones_is_unknown(tokens: int) -> None:
    with pytest.raises(ValueError, match="no check"):
        costs(1.0, 1.0).check(tokens)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 10)), min_size=1), TIMES)
def test_a_replay_is_all_work_over_all_tokens(windows: list[tuple[int, int]], draft: float) -> None:
    work = sum(drafted * draft + drafted + 1 for drafted, _ in windows)
    assert replayed(windows, draft, float) == pytest.approx(work / sum(committed for _, committed in windows))


@given(RATES.filter(lambda a: a > 0.01), TIMES, TIMES, st.integers(2, 10))
def test_a_prediction_is_the_replay_of_what_it_expects(a: float, c: float, check: float, window: int) -> None:
    (point,) = predict(costs(c, check), Acceptance((), a), [window])
    cost = replayed([(window - 1, 1)], c, lambda tokens: check)
    assert point.milliseconds == pytest.approx(cost)


def test_a_replay_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was committed"):
        replayed([], 1.0, float)


def document(*rows: dict[str, object]) -> str:
    return json.dumps({"schema_version": 1, "model": "m", "device": "cpu", "rows": rows})


def test_costs_are_the_medians_at_a_depth(tmp_path: Path) -> None:
    rows = [
        {**ROW, "name": name, "depth": depth, "tokens": tokens, "milliseconds": {"median": depth + tokens, "sd": 0.1}}
        for depth in (512, 64)
        for name, tokens in (("dense step", 1), ("coarse 0.5 step", 1), ("check", 8))
    ]
    noise = {**ROW, "name": "check", "depth": 512, "tokens": 1, "milliseconds": {"median": 99.0}}
    (tmp_path / "costs.json").write_text(document(*rows, noise))
    found = read_passes(tmp_path / "costs.json")
    assert step_costs(found, COARSE, None) == (StepCosts(513.0, 513.0, {1: 513.0, 8: 520.0}), 512)
    assert step_costs(found, COARSE, 64)[0].check(8) == 72.0
    with pytest.raises(ModelError, match=r"no passes at depth 7; there are those at 512, 64"):
        step_costs(found, COARSE, 7)
    with pytest.raises(ModelError, match=r"no fine 0\.3 step; measure with --keep 0\.3"):
        step_costs(found, DraftSpec(method="fine", keep=0.3), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "it is not JSON"),
        ("\xff", "it is not JSON"),
        ("[]", "at the top"),
        ('{"rows": []}', "field required at model"),
        (document({"name": "dense step"}), r"field required at rows\.0\.depth"),
        (document({**ROW, "milliseconds": {"median": -1}}), r"greater than 0 at rows\.0\.milliseconds\.median"),
        (document({**ROW, "milliseconds": {"median": float("nan")}}), "finite number"),
    ],
)
def test_broken_costs_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=reason):
        read_passes(file)


def test_costs_without_a_dense_step_are_refused(tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(document())
    with pytest.raises(ModelError, match="no dense step"):
        step_costs(read_passes(tmp_path / "costs.json"), COARSE, None)
    with pytest.raises(ModelError, match="cannot read the costs"):
        read_passes(tmp_path / "other.json")
