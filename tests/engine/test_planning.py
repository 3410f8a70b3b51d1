"""Planning windows: costs from noisy clocks, rates of changing texts, and what the plans gain and lose."""

from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_text import fixed, planned

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.engine.drafts.policy import StepCost
from sirius_cli.engine.planning.costs import ReadCosts, TimedCosts
from sirius_cli.engine.planning.pace import Experiences, FixedPace, PlannedPace, longest_window
from sirius_cli.engine.planning.planner import Planner
from sirius_cli.engine.planning.rates import Memory, Rates
from sirius_cli.engine.planning.sizes import LONGEST, SIZES

SEEDS = range(8)


def timed(**checks: float) -> TimedCosts:
    """Costs with a check of each length, ``c4`` for 4, told twice."""
    costs = TimedCosts(0.5)
    for name, seconds in checks.items():
        costs.checked(int(name[1:]), seconds)
        costs.checked(int(name[1:]), seconds)
    return costs


def test_costs_are_those_that_were_timed() -> None:
    costs = timed(c1=0.010, c2=0.011, c4=0.012, c8=0.013, c16=0.014, c32=0.030)
    costs.drafted(0.004)
    steps = costs.steps()
    assert (steps.dense, steps.draft) == pytest.approx((10.0, 4.0))
    assert [steps.check(n) for n in (1, 2, 4, 8, 16, 32)] == pytest.approx([10, 11, 12, 13, 14, 30])


def test_what_was_never_timed_is_hoped_for() -> None:
    steps = timed(c4=0.0105).steps()
    assert steps.dense == pytest.approx(10.5 / (1 + 3 / 64))
    assert steps.draft == pytest.approx(0.5 * steps.dense)
    assert steps.dense < steps.check(8) < steps.check(LONGEST) < 1.5 * steps.dense


@given(
    st.lists(st.tuples(st.integers(1, LONGEST), st.floats(0.001, 1.0)), min_size=1, max_size=60),
    st.lists(st.floats(0.001, 1.0), max_size=20),
)
def test_a_longer_check_never_costs_less(checks: list[tuple[int, float]], drafts: list[float]) -> None:
    costs = TimedCosts(0.5)
    for tokens, seconds in checks:
        costs.checked(tokens, seconds)
    for seconds in drafts:
        costs.drafted(seconds)
    steps = costs.steps()
    known = [steps.check(tokens) for tokens in range(1, LONGEST + 1)]
    assert steps.dense == known[0] > 0
    assert known == sorted(known)


def test_a_pause_of_the_process_changes_nothing() -> None:
    costs = timed(c1=0.010, c4=0.010, c16=0.012)
    for seconds in (0.004, 9.0, 0.004, 0.005):
        costs.drafted(seconds)
    before = costs.steps()
    costs.checked(16, 9.0)
    costs.checked(1, 9.0)
    assert costs.steps() == before
    assert before.draft == pytest.approx(4.0)


def test_a_machine_that_was_busy_for_a_while_is_tried_again() -> None:
    costs = timed(c1=0.010, c2=0.010, c32=0.015)
    for _ in range(20):
        costs.drafted(0.012)
    planner, drafted = Planner(costs, Memory()), 0
    for _ in range(200):
        size = planner.next().size
        for _ in range(size - 1):
            costs.drafted(0.003)
        costs.checked(size, 0.010)
        planner.judged(size - 1, size - 1, size)
        drafted += size > 1
    assert drafted > 120


def test_a_slow_check_is_believed_when_it_is_seen_twice() -> None:
    costs = timed(c1=0.010)
    costs.checked(LONGEST, 0.030)
    assert costs.steps().check(LONGEST) < 16
    costs.checked(LONGEST, 0.030)
    assert costs.steps().check(LONGEST) == pytest.approx(30)


def test_a_dense_step_is_timed_first_and_again_when_the_text_has_grown() -> None:
    costs = TimedCosts(0.3)
    assert Planner(costs, Memory()).next().size == 1
    costs.checked(1, 0.01)
    planner, sizes, timed_again = Planner(costs, Memory()), [], 0
    for _ in range(100):
        plan = planner.next()
        size = plan.size
        timed_again += plan.reason == "times a dense step"
        for _ in range(size - 1):
            costs.drafted(0.003)
        costs.checked(size, 0.01)
        planner.judged(size - 1, size - 1, size)
        sizes.append(size)
    assert 2 <= timed_again <= sum(sizes) / 500


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_rate_is_a_probability_and_windows_accepted_whole_raise_it(refused: int, whole: int) -> None:
    rates = Rates(Memory())
    for _ in range(refused):
        rates.judged(3, 0)
    before = rates.rate
    for _ in range(whole):
        rates.judged(3, 3)
    assert 0 < before < rates.rate < 1
    assert len(rates.acceptance().kept) == LONGEST - 1


def test_what_lies_behind_a_refusal_was_not_judged() -> None:
    memory = Memory()
    rates = Rates(memory)
    rates.judged(9, 2)
    assert (memory.accepted, memory.judged) == pytest.approx((5.2, 7.0), rel=0.01)
    kept = rates.acceptance().kept
    assert kept[0] > kept[2]
    assert kept[2] < kept[3] == pytest.approx(rates.rate)


def test_a_text_that_changes_is_noticed_within_a_few_windows() -> None:
    rates = Rates(Memory())
    for _ in range(30):
        rates.judged(15, 15)
    assert rates.rate > 0.97
    for _ in range(5):
        rates.judged(15, 0)
    assert rates.rate < 0.7


def test_the_next_text_begins_with_what_the_last_ones_were_like() -> None:
    memory = Memory()
    for _ in range(200):
        Rates(memory).judged(7, 0)
    assert Rates(memory).rate < 0.1


def constant(rate: float):
    return lambda place: rate


TEXTS = {
    "nothing": constant(0.0),
    "little": constant(0.3),
    "much": constant(0.8),
    "nearly all": constant(0.97),
    "good, then bad": lambda place: 0.97 if place < 600 else 0.1,
    "bad, then good": lambda place: 0.1 if place < 600 else 0.97,
}


@pytest.mark.parametrize("draft", [0.29, 0.45, 0.79])
@pytest.mark.parametrize("text", TEXTS)
def test_plans_are_nearly_as_fast_as_the_best_fixed_window(text: str, draft: float) -> None:
    rate, tokens = TEXTS[text], 1200
    best = min(mean(fixed(size, tokens, rate, draft, seed) for seed in SEEDS) for size in SIZES)
    assert best >= 0.95 * mean(planned(tokens, rate, draft, seed)[0] for seed in SEEDS)


@pytest.mark.parametrize("draft", [0.29, 0.45, 0.79])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("tokens", [3, 10, 30, 100, 300, 1200])
def test_no_text_takes_three_percent_more_than_dense_decoding(text: str, draft: float, tokens: int) -> None:
    rate = TEXTS[text]
    assert max(planned(tokens, rate, draft, seed)[0] for seed in SEEDS) <= 1.03 * tokens


def test_a_text_that_changes_for_the_better_gains_more_than_any_fixed_window() -> None:
    rate = TEXTS["bad, then good"]
    best = min(mean(fixed(size, 1200, rate, 0.29, seed) for seed in SEEDS) for size in SIZES)
    assert mean(planned(1200, rate, 0.29, seed)[0] for seed in SEEDS) < 0.9 * best


@given(
    st.floats(0.01, 2.0),
    st.lists(st.integers(0, LONGEST), min_size=1, max_size=400),
    st.integers(0, 4),
)
@settings(deadline=None)
def test_whatever_is_refused_the_loss_is_within_the_allowance(draft: float, kept: list[int], history: int) -> None:
    """Costs are known exactly here, so the promise holds to the last token, whatever the planner believes."""
    costs, memory, spent, length = ReadCosts(draft), Memory(), 0.0, 0
    for _ in range(history):
        memory.add(100, 100)
    planner = Planner(costs, memory)
    for wish in kept:
        size = planner.next().size
        accepted = min(wish, size - 1)
        spent += (size - 1) * draft + 1.0
        length += accepted + 1
        planner.judged(size - 1, accepted, accepted + 1)
        assert spent <= 1.025 * length + 1e-9


def test_what_was_looked_up_is_part_of_the_bet_and_tells_nothing_of_drafts() -> None:
    planner = Planner(ReadCosts(0.5), Memory())
    rate = planner.next().accepted
    planner.judged(8, 0, 1, looked_up=6)  # two draft steps for nothing
    assert planner.credit == pytest.approx(0.025 - 2 * 0.5)
    planner.judged(8, 8, 9, looked_up=8)
    assert planner.credit == pytest.approx(10 * 0.025 - 1 + 8)
    assert planner.next().accepted == rate


def test_probes_come_less_and_less_often_while_they_fail() -> None:
    _, plans = planned(2000, constant(0.0), 0.29, 1)
    probes = [place for place, plan in plans if plan.reason == "probes"]
    gaps = [after - before for before, after in pairwise(probes)]
    assert len(probes) > 5
    assert gaps[-1] > 100 > 2 * gaps[0]


def test_the_size_does_not_flap() -> None:
    _, plans = planned(3000, constant(0.9), 0.3, 2)
    sizes = [plan.size for _, plan in plans]
    changes = sum(before != after for before, after in pairwise(sizes))
    assert changes < len(sizes) / 5


def test_reasons_tell_what_the_plan_rests_on() -> None:
    _, plans = planned(1200, TEXTS["good, then bad"], 0.29, 3)
    reasons = {plan.reason for _, plan in plans}
    assert reasons >= {"times a dense step", "promises most", "drafts do not pay", "probes"}
    for _, plan in plans[1:]:
        assert (plan.speedup is not None) == (plan.reason == "promises most")
        assert plan.speedup is None or (plan.speedup >= 1.0 and plan.size > 1)
        assert plan.size == 1 or (plan.draft is not None and 0 < plan.accepted < 1)
    assert plans[len(plans) // 4][1].draft == pytest.approx(0.29, rel=0.2)


@pytest.mark.parametrize("draft", [1.0, 1.5])
def test_a_draft_as_dear_as_a_dense_step_never_pays_though_all_of_it_is_accepted(draft: float) -> None:
    planner, sizes = Planner(ReadCosts(draft), Memory()), []
    for _ in range(300):
        sizes.append(planner.next().size)
        planner.judged(sizes[-1] - 1, sizes[-1] - 1, sizes[-1])
    assert set(sizes) <= {1, 2}
    assert sum(size == 2 for size in sizes) < 20


AUTO = Profile(draft=DraftSpec(), correction=CorrectionSpec(window="auto"))
COST = StepCost(0.5, 0.4)


def test_the_pace_is_the_profiles() -> None:
    experiences = Experiences()
    assert isinstance(experiences.pace(AUTO, None, timed=True), FixedPace)
    assert isinstance(experiences.pace(AUTO, COST, timed=True), PlannedPace)
    for lookup, size in ((3, 16), (0, 1)):
        no_model = AUTO.model_copy(update={"draft": DraftSpec(method="dense", lookup=lookup)})
        alone = experiences.pace(no_model, None, timed=True)
        assert isinstance(alone, FixedPace)
        assert alone.size == size
    eight = AUTO.model_copy(update={"correction": CorrectionSpec(window=8)})
    pace = experiences.pace(eight, COST, timed=True)
    assert isinstance(pace, FixedPace)
    assert pace.size == 8


def test_a_recorded_program_has_one_size() -> None:
    eight = AUTO.model_copy(update={"correction": CorrectionSpec(window=8)})
    assert (longest_window(eight), longest_window(AUTO)) == (8, 32)
