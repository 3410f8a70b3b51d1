"""Batches over a shared beginning, and the time and the figures of each answer in them."""

from collections.abc import Callable

import pytest
from bench_engine import FakeEngine

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.metrics import combine
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.quality.answering import Job, answer_all, shared_prefix
from sirius_cli.services.bench.quality.samples import Written


def ticking() -> Callable[[], float]:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    return clock


def jobs(*prompts: str, longest: int = 100) -> list[Job]:
    return [Job(str(number), tuple(prompt.encode()), longest) for number, prompt in enumerate(prompts)]


def answers(engine: FakeEngine, asked: list[Job], batch: int) -> list[Written]:
    told: list[Written] = []
    answer_all(engine, asked, batch=batch, tell=told.append, clock=ticking())
    return told


def test_every_prompt_is_answered_behind_what_all_share() -> None:
    engine = FakeEngine()
    told = answers(engine, jobs("two shots, one", "two shots, two", "two shots, three"), batch=2)
    assert engine.calls == [(3, len("two shots, "))]
    assert {sample.key for sample in told} == {"0", "1", "2"}
    by_key = {sample.key: sample for sample in told}
    assert by_key["2"].text == engine.answer_to(b"two shots, three")
    assert bytes(by_key["2"].token_ids).decode() == by_key["2"].text
    assert by_key["2"].prompt_tokens == len("two shots, three")
    assert not by_key["2"].truncated


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [([], ""), (["abc"], ""), (["abc", "abd"], "ab"), (["abc", "abc"], "ab"), (["ab", "abc"], "a"), (["x", "y"], "")],
)
def test_what_prompts_share(prompts: list[str], shared: str) -> None:
    assert bytes(shared_prefix([prompt.encode() for prompt in prompts])).decode() == shared


def test_the_time_of_a_batch_is_divided_among_those_at_work() -> None:
    """Every reading of the clock is a second later. A third prompt is read once the first answer leaves its place."""
    told = answers(FakeEngine(), jobs("a", "b", "c"), batch=2)
    assert [sample.seconds for sample in told] == [1 + 1 / 2, 1 + 1 / 2 + 1 / 2, 1 + 1 / 2 + 1]


def test_the_reads_of_a_draft_are_those_of_a_single_text() -> None:
    engine = FakeEngine(resolve_profile("sirius", {}, {}).profile)
    (sample,) = answers(engine, jobs("a"), batch=1)
    work = sample.tally.work
    assert work.draft_steps > 0
    assert work.read == pytest.approx(0.6 * work.draft_steps)
    metrics = combine([sample.tally])
    assert metrics.effective_read == pytest.approx((0.6 * work.draft_steps + work.checks) / sample.tally.in_windows)
    assert metrics.committed_tokens == len(sample.token_ids)


def test_a_prompt_that_is_too_long_loses_its_beginning_and_says_so() -> None:
    engine = FakeEngine(context=30)
    told = answers(engine, jobs("x" * 40, "short", longest=10), batch=2)
    by_key = {sample.key: sample for sample in told}
    assert (by_key["0"].prompt_tokens, by_key["0"].truncated) == (20, True)
    assert (by_key["1"].prompt_tokens, by_key["1"].truncated) == (5, False)


def test_prompts_that_lost_what_all_share_are_answered_without_it() -> None:
    engine = FakeEngine(context=30)
    told = answers(engine, jobs("shared beginning, a", "shared beginning, " + "b" * 9, longest=10), batch=2)
    assert engine.calls == [(1, len("shared beginning, ")), (1, 0)]
    assert [(sample.key, sample.truncated) for sample in told] == [("0", False), ("1", True)]


def test_answers_that_leave_no_room_for_a_prompt_are_refused() -> None:
    with pytest.raises(UsageError, match="leave no room for a prompt"):
        answers(FakeEngine(context=10), jobs("a", longest=10), batch=1)
