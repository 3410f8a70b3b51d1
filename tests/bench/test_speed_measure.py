"""Speed measurements, on an engine whose clock is made up."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    Loaded,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import UsageError
from sirius_cli.services.bench import speed_decode
from sirius_cli.services.bench.speed import measure
from sirius_cli.services.bench.speed_advance import RecordedAdvance
from sirius_cli.services.bench.speed_case import floor_of
from sirius_cli.services.bench.speed_plan import Decode, SpeedPlan
from sirius_cli.services.bench.speed_prompt import prompt_ids
from sirius_cli.services.bench.speed_results import Missing
from sirius_cli.services.inspection.facts import Window
from sirius_cli.services.progress import silent

DRAFT = DraftSpec(method="coarse", keep=0.5)
CORRECTED = Profile(name="sirius", draft=DRAFT, correction=CorrectionSpec(window=4))


@dataclass
class FakeClock:
    """Seconds that only passes make go by, each ``slowdowns[round]`` times as slow as it should be."""

    slowdowns: Sequence[float] = (1.0,) * 20
    now: float = 0.0
    round: int = -1
    passes: list[str] = field(default_factory=list)

    def tick(self, name: str, seconds: float) -> float:
        self.passes.append(name)
        self.now += seconds * self.slowdowns[self.round]
        return seconds * self.slowdowns[self.round]

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeProbe:
    """A dense step takes 1 s, a draft step as much of it as it keeps."""

    clock: FakeClock
    cache_bytes: int = 20

    def dense_step(self) -> float:
        return self.clock.tick("dense", 1.0)

    def check(self, tokens: int) -> float:
        return self.clock.tick(f"check {tokens}", 1.0 + tokens / 16)

    def prefill(self, tokens: int) -> float:
        return self.clock.tick(f"prefill {tokens}", tokens / 10)

    def drafts(self, spec: DraftSpec) -> Any:
        return SimpleNamespace(cost=SimpleNamespace(read=spec.keep), seconds=spec.keep)

    def draft_step(self, spec: DraftSpec, policy: Any) -> float:
        return self.clock.tick("draft", policy.seconds)


class FakeTokens:
    """Every word is a token; texts begin with token 1."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        return [1] * special + [len(word) + 10 for word in text.split()]


@dataclass
class FakeEngine:
    """Writes 0, 1, 2, …: a dense token takes 1 s. Of three drafts, half a second each, it accepts two."""

    clock: FakeClock = field(default_factory=FakeClock)
    profile: Profile = field(default_factory=Profile)
    weight_bytes: int = 80
    token_cache_bytes: int = 2
    context: int = 100
    threads: int = 2
    tokens: FakeTokens = field(default_factory=FakeTokens)
    loaded: Loaded = field(default_factory=lambda: Loaded("fake", "cpu", "float32", 20, 0.0, {"mlp": "none"}))
    requests: list[GenerationRequest] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)

    def read_bandwidth(self) -> float:
        self.clock.round += 1
        return 100.0 / self.clock.slowdowns[self.clock.round]

    def watch_memory(self) -> Callable[[], int]:
        return lambda: 1000 + self.clock.round

    def probe(self, depth: int, room: int) -> FakeProbe:
        if depth + room > self.context:
            raise UsageError(f"{depth} + {room} tokens do not fit the context of fake, {self.context}")
        return FakeProbe(self.clock)

    def twin(self, profile: Profile) -> "FakeEngine":
        return replace(self, profile=profile)

    def forget(self) -> None:
        self.forgotten.append(len(self.requests))

    def generate(self, request: GenerationRequest, cancelled: Any = None) -> Generator[StepEvent, None, None]:
        assert request.ignore_eos
        self.requests.append(request)
        self.clock.tick(f"prefill of {self.profile.name}", len(request.prompt_ids) / 10)
        yield Prefilled(0, self.clock.now, len(request.prompt_ids), 0, self.clock.now)
        yield self._commit(0, 1)
        written = 1
        while written < request.max_new_tokens:
            left = request.max_new_tokens - written
            window = self.profile.correction.window
            size = 4 if window == "auto" else window
            drafts = 0 if self.profile.draft.method == "dense" else min(size, left) - 1
            for _ in range(drafts):
                self.clock.tick("drafting", 0.5)
                yield Drafted(0, self.clock.now, 1, (7,), ("x",), (0.5,), 0.6, 0.5, 0.5)
            self.clock.tick("checking", 1.0)
            accepted = min(2, drafts)
            yield Checked(0, self.clock.now, 1, drafts, accepted, False, 1.0)
            yield self._commit(written, accepted + 1)
            written += accepted + 1
        yield Finished(0, self.clock.now, "length", "")

    def _commit(self, first: int, count: int) -> Committed:
        tokens = (CommittedToken(first + place, "", "dense" if first else "prefill", 0.9) for place in range(count))
        return Committed(0, self.clock.now, 1, tuple(tokens))


@dataclass
class FakeBaseline:
    """Takes 2 s a token, and writes something else from the second token on."""

    clock: FakeClock
    name: str = "other"
    note: str = "a note"
    reads_dense: bool = True

    def decode(self, ids: Sequence[int], tokens: int) -> tuple[list[int], list[float]]:
        arrivals = [0.5 + sum(self.clock.tick("other", 2.0) for _ in range(place)) for place in range(tokens)]
        return [0, *range(100, 99 + tokens)], arrivals


def advance_of(*windows: tuple[int, int], profile: Profile = CORRECTED) -> RecordedAdvance:
    made = tuple(Window(i, drafted, 0, committed, 0.0, ()) for i, (drafted, committed) in enumerate(windows))
    return RecordedAdvance("run", "fake", profile, made, (), 0.8)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    monkeypatch.setattr(speed_decode, "perf_counter", made)
    return made


PASSES = SpeedPlan(prefills=(8,), depths=(4,), checks=(8, 16), drafts=(DRAFT,), repetitions=3, warmups=1)
ANSWERS = SpeedPlan(
    prefills=(10,), depths=(4,), checks=(), decodes=(6,), profiles=(Decode("sirius", CORRECTED),), repetitions=2
)


def test_a_drifting_machine_changes_no_ratio(clock: FakeClock) -> None:
    clock.slowdowns = [50.0, 1.0, 3.0, 2.0]
    result = measure(FakeEngine(clock), PASSES, silent)
    rows = {(row.name, row.tokens): row for row in result.rows}
    assert list(rows) == [("prefill", 8), ("dense step", 1), ("coarse 0.5 step", 1), ("check", 8), ("check", 16)]
    draft = rows["coarse 0.5 step", 1].over_dense
    assert draft is not None
    assert draft.p10 == draft.p90 == 0.5
    check = rows["check", 8].over_dense
    assert check is not None
    assert check.median == 1.5
    assert rows["prefill", 8].over_dense is None
    assert rows["dense step", 1].milliseconds.median == 2000.0
    assert rows["dense step", 1].read_bytes == 100
    assert rows["dense step", 1].floor_share == pytest.approx(1.0)
    assert rows["dense step", 1].floor_ms == pytest.approx(2000.0)
    assert rows["dense step", 1].peak_bytes == 1003
    assert rows["coarse 0.5 step", 1].read_bytes == 60
    assert rows["prefill", 8].floor_share is None
    assert rows["prefill", 8].floor_ms is None
    assert rows["prefill", 8].tokens_per_second == pytest.approx(5.0)


def test_every_round_runs_everything_and_warmups_do_not_count(clock: FakeClock) -> None:
    result = measure(FakeEngine(clock), PASSES, silent)
    assert clock.passes == ["prefill 8", "dense", "draft", "check 8", "check 16"] * 4
    assert {row.milliseconds.n for row in result.rows} == {3}
    assert result.bandwidth.n == 3


def test_an_answer_is_compared_with_the_dense_one_of_its_repetition(clock: FakeClock) -> None:
    clock.slowdowns = [9.0, 1.0, 4.0]
    dense, sirius = measure(FakeEngine(clock), ANSWERS, silent).end_to_end
    assert (dense.name, dense.prompt_tokens, dense.tokens) == ("dense", 10, 6)
    assert dense.milliseconds.mean == pytest.approx(2500.0)
    assert dense.first_token_ms is not None
    assert dense.first_token_ms.median == pytest.approx(2500.0)
    # Two windows: three drafts and a check commit 3, then two drafts and a check commit 3.
    assert sirius.milliseconds.mean == pytest.approx(2.5 * (5 * 0.5 + 2 * 1.0) / 6 * 1000)
    assert sirius.over_dense is not None
    assert sirius.over_dense.p10 == pytest.approx(0.75)
    assert sirius.over_dense.p90 == pytest.approx(0.75)
    assert (sirius.aal, sirius.same_tokens) == (3.0, 7)
    assert sirius.effective_density == pytest.approx((5 * 0.6 + 2) / 6)
    assert sirius.profile is not None
    assert sirius.profile["correction"]["window"] == 4


def test_tokens_of_one_check_arrive_together(clock: FakeClock) -> None:
    dense, sirius = measure(FakeEngine(clock), ANSWERS, silent).end_to_end
    assert dense.latency is not None
    assert (dense.latency.p50, dense.latency.p99) == pytest.approx((1000.0, 1000.0))
    assert sirius.latency is not None
    assert sirius.latency.p50 == 0.0
    assert sirius.latency.p99 == pytest.approx(2500.0, rel=0.1)


def test_a_token_reads_weights_and_the_cache_of_every_pass(clock: FakeClock) -> None:
    dense, sirius = measure(FakeEngine(clock), ANSWERS, silent).end_to_end
    assert dense.read_bytes == 80 + 13 * 2
    assert sirius.read_bytes == round((5 * 0.5 + 2) / 6 * 80 + 7 / 6 * 13 * 2)
    assert dense.floor_share == pytest.approx(1.06)
    assert dense.floor_ms == pytest.approx(1060.0)


def test_a_baseline_runs_in_every_round_and_what_could_not_be_loaded_is_told(clock: FakeClock) -> None:
    missing = (Missing("llama-cpp", "not here"),)
    result = measure(FakeEngine(clock), ANSWERS, silent, lambda progress: ((FakeBaseline(clock),), missing))
    other = result.end_to_end[-1]
    assert (other.name, other.note, other.milliseconds.n) == ("other", "a note", 2)
    assert other.over_dense is not None
    assert other.over_dense.median > 1
    assert (other.same_tokens, other.aal, other.read_bytes) == (1, None, 80 + 13 * 2)
    assert result.missing == missing


def test_other_weights_have_no_floor(clock: FakeClock) -> None:
    baseline = FakeBaseline(clock, reads_dense=False)
    other = measure(FakeEngine(clock), ANSWERS, silent, lambda progress: ((baseline,), ())).end_to_end[-1]
    assert (other.read_bytes, other.floor_ms, other.floor_share) == (None, None, None)


def test_prompts_lengths_and_profiles_are_combined(clock: FakeClock) -> None:
    engine = FakeEngine(clock)
    plan = replace(ANSWERS, prefills=(3, 10), decodes=(1, 6), repetitions=1, warmups=0)
    rows = measure(engine, plan, silent).end_to_end
    assert [(row.prompt_tokens, row.tokens, row.name) for row in rows] == [
        (prompt, tokens, name) for prompt in (3, 10) for tokens in (1, 6) for name in ("dense", "sirius")
    ]
    assert [(len(one.prompt_ids), one.max_new_tokens) for one in engine.requests[:4]] == [
        (3, 2),
        (3, 2),
        (3, 7),
        (3, 7),
    ]


def test_every_answer_reads_its_prompt_anew(clock: FakeClock) -> None:
    engine = FakeEngine(clock)
    measure(engine, ANSWERS, silent)
    assert len(engine.requests) > 4
    assert engine.forgotten == list(range(len(engine.requests)))


def test_the_prompt_is_one_text_cut_or_repeated() -> None:
    text = prompt_ids(FakeTokens(), 1000)
    assert len(text) == 1000
    assert text.count(1) == 1
    assert prompt_ids(FakeTokens(), 20) == text[:20]


def test_a_recorded_run_is_put_together_from_passes(clock: FakeClock) -> None:
    clock.slowdowns = [1.0, 1.0, 5.0]
    plan = SpeedPlan(prefills=(), depths=(4,), checks=(), advance=advance_of((3, 2), (7, 4)), repetitions=2)
    result = measure(FakeEngine(clock), plan, silent)
    assert [(row.name, row.tokens) for row in result.rows] == [
        ("dense step", 1), ("coarse 0.5 step", 1), ("check", 4), ("check", 8),
    ]  # fmt: skip
    (row,) = result.end_to_end
    cost = (10 * 0.5 + (1 + 4 / 16) + (1 + 8 / 16)) / 6
    assert row.note == "predicted from measured passes"
    assert row.milliseconds.mean == pytest.approx(3 * 1000 * cost)
    assert row.over_dense is not None
    assert row.over_dense.p10 == pytest.approx(cost)
    assert (row.name, row.prompt_tokens, row.tokens, row.aal) == ("sirius as in run", 4, 6, 3.0)
    assert row.read_bytes == round((10 * 60 + 2 * 100) / 6)


def test_random_weights_are_named_on_every_row(clock: FakeClock) -> None:
    plan = replace(ANSWERS, profiles=(), random_weights=True)
    result = measure(FakeEngine(clock), plan, silent)
    assert {row.note for row in (*result.rows, *result.end_to_end)} == {"random weights"}
    assert [row.name for row in result.missing] == ["corrected"]
    predicted = measure(FakeEngine(clock), replace(plan, advance=advance_of((3, 2))), silent)
    assert predicted.end_to_end[-1].note == "random weights; predicted from measured passes"
    assert predicted.missing == ()


def test_an_answer_beyond_the_context_is_refused_before_baselines_load(clock: FakeClock) -> None:
    def load(progress: Any) -> Any:
        raise AssertionError("loaded")

    engine = FakeEngine(clock, context=16)
    with pytest.raises(UsageError, match=r"10 \+ 6 tokens do not fit the context of fake, 16"):
        measure(engine, ANSWERS, silent, load)
    engine.context = 17
    measure(engine, ANSWERS, silent)


def test_the_floor_is_that_of_each_repetition() -> None:
    floor = floor_of(100, [2.0, 4.0], [100.0, 50.0])
    assert (floor.milliseconds, floor.share) == (1500.0, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefills": (0,)},
        {"depths": ()},
        {"checks": (-1,)},
        {"decodes": (0,)},
        {"decodes": (4,), "prefills": ()},
        {"repetitions": 0},
        {"warmups": -1},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SpeedPlan(**wrong)
