"""Speed measurements, on an engine whose clock is made up."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from sirius_cli.core.profile import DraftSpec
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.speed import SpeedPlan, measure
from sirius_cli.services.progress import silent


@dataclass
class FakeProbe:
    """A dense step takes 1 s; the machine slows by ``drift`` with every pass."""

    engine: "FakeEngine"
    depth: int
    cache_bytes: int = 20

    def dense_step(self):
        return self.engine.tick("dense", 1.0)

    def check(self, tokens):
        return self.engine.tick(f"check {tokens}", 1.0 + tokens / 16)

    def prefill(self, tokens):
        return self.engine.tick(f"prefill {tokens}", tokens / 10)

    def drafts(self, spec):
        return SimpleNamespace(cost=SimpleNamespace(read=spec.keep), seconds=spec.keep)

    def draft_step(self, policy):
        return self.engine.tick("draft", policy.seconds)


@dataclass
class FakeEngine:
    slowdowns: list[float]
    weight_bytes: int = 80
    passes: list[str] = field(default_factory=list)
    round: int = -1

    def read_bandwidth(self):
        self.round += 1
        return 100.0 / self.slowdowns[self.round]

    def probe(self, depth, room):
        return FakeProbe(self, depth)

    def tick(self, name, seconds):
        self.passes.append(name)
        return seconds * self.slowdowns[self.round]


PLAN = SpeedPlan(
    prefills=(8,), depths=(4,), checks=(8, 16), drafts=(DraftSpec(method="coarse", keep=0.5),), repetitions=3, warmups=1
)


def test_a_drifting_machine_changes_no_ratio():
    engine = FakeEngine(slowdowns=[50.0, 1.0, 3.0, 2.0])
    result = measure(engine, PLAN, silent)
    rows = {(row.name, row.tokens): row for row in result.rows}
    assert list(rows) == [("prefill", 8), ("dense step", 1), ("coarse 0.5 step", 1), ("check", 8), ("check", 16)]
    assert rows["coarse 0.5 step", 1].over_dense.p10 == rows["coarse 0.5 step", 1].over_dense.p90 == 0.5
    assert rows["check", 8].over_dense.median == 1.5
    assert rows["prefill", 8].over_dense is None
    assert rows["dense step", 1].milliseconds.median == 2000.0
    assert rows["dense step", 1].read_bytes == 100
    assert rows["dense step", 1].floor_share == pytest.approx(1.0)
    assert rows["coarse 0.5 step", 1].read_bytes == 60
    assert rows["prefill", 8].floor_share is None
    assert rows["prefill", 8].tokens_per_second == pytest.approx(5.0)


def test_every_round_runs_everything_and_warmups_do_not_count():
    engine = FakeEngine(slowdowns=[1.0] * 4)
    result = measure(engine, PLAN, silent)
    assert engine.passes == ["prefill 8", "dense", "draft", "check 8", "check 16"] * 4
    assert {row.milliseconds.n for row in result.rows} == {3}
    assert result.bandwidth.n == 3


@pytest.mark.parametrize("wrong", [{"prefills": (0,)}, {"depths": ()}, {"checks": (-1,)}, {"repetitions": 0}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        SpeedPlan(**wrong)
