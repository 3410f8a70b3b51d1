"""A recording is told at its pace, can be held and ended, and says where it is damaged."""

import math
from pathlib import Path

import pytest

from sirius_cli.core.events import Committed, CommittedToken, Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.trace import TraceHeader, TraceWriter
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.feed import FeedItem, Happened, Message, Problem, Question, Ready
from sirius_cli.services.replay_feed import ReplayFeed
from sirius_cli.services.session import AnswerSpec

LOADED = Loaded("m", "cpu", "float32", 10, 0.1, {})


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def token(text: str) -> Committed:
    return Committed(0, 1.0, 0, (CommittedToken(1, text, "prefill", 0.5),))


ANSWER: list[StepEvent] = [Prefilled(0, 1.0, 3, 0, 1.0), token("x"), Finished(0, 4.0, "stop", "")]


def record(path: Path, *events: StepEvent) -> Path:
    with TraceWriter(path, TraceHeader("m", "cpu", Profile(name="mine"))) as writer:
        for event in events:
            writer.write(event)
    return path


@pytest.fixture
def two_answers(tmp_path: Path) -> Path:
    return record(tmp_path / "run.jsonl", LOADED, *ANSWER, *ANSWER)


def said(items: list[FeedItem]) -> list[tuple[int, StepEvent]]:
    return [(item.question, item.event) for item in items if isinstance(item, Happened)]


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 1.0), (2.0, 0.5), (0.5, 2.0)])
def test_events_come_when_they_are_due(two_answers: Path, speed: float, seconds: float) -> None:
    clock = Clock()
    feed = ReplayFeed(two_answers, speed, clock=clock)
    assert feed.header.profile.name == "mine"
    feed.start()
    assert feed.drain() == [Ready(LOADED, 0, 0)]
    counts = []
    for _ in range(8):
        clock.now += seconds
        counts.append(len(feed.drain()))
    assert counts == [2, 0, 0, 1, 2, 0, 0, 1]
    assert feed.ended


def test_at_once(two_answers: Path) -> None:
    feed = ReplayFeed(two_answers, math.inf)
    assert feed.ended
    feed.start()
    assert not feed.ended
    ready, *rest = feed.drain()
    assert isinstance(ready, Ready)
    assert said(rest) == [(1, event) for event in ANSWER] + [(2, event) for event in ANSWER]
    feed.start()
    assert [number for number, _ in said(list(feed.drain()))] == [3, 3, 3, 4, 4, 4]


def test_time_can_stand_still(two_answers: Path) -> None:
    clock = Clock()
    feed = ReplayFeed(two_answers, clock=clock)
    feed.start()
    clock.now += 1.0
    feed.pause()
    feed.pause()
    assert len(feed.drain()) == 3
    clock.now += 100.0
    assert feed.paused
    assert feed.drain() == []
    feed.pause(False)
    feed.pause(False)
    clock.now += 2.9
    assert feed.drain() == []
    clock.now += 0.2
    assert said(list(feed.drain())) == [(1, ANSWER[-1])]


def test_cancelling_ends_the_answer_and_the_replay(two_answers: Path) -> None:
    clock = Clock()
    feed = ReplayFeed(two_answers, clock=clock)
    feed.start()
    clock.now += 1.0
    feed.drain()
    feed.cancel()
    assert feed.drain() == [Happened(1, Finished(0, 1.0, "cancelled", ""))]
    clock.now += 100.0
    feed.cancel()
    assert feed.drain() == []
    assert feed.ended


def test_rows_of_a_batch_are_questions_of_their_own(tmp_path: Path) -> None:
    events = [Prefilled(0, 0.1, 1, 0, 0.1), Prefilled(1, 0.2, 1, 0, 0.1), Finished(1, 0.3, "stop", "")]
    events += [Finished(0, 0.4, "stop", ""), Prefilled(0, 0.1, 1, 0, 0.1), Finished(0, 0.2, "stop", "")]
    feed = ReplayFeed(record(tmp_path / "batch.jsonl", LOADED, *events), math.inf)
    feed.start()
    assert [number for number, _ in said(list(feed.drain()))] == [1, 2, 2, 1, 3, 3]


def test_a_trace_without_a_beginning_is_described_by_its_header(tmp_path: Path) -> None:
    feed = ReplayFeed(record(tmp_path / "run.jsonl"), math.inf)
    feed.start()
    assert feed.drain() == [Ready(Loaded("m", "cpu", "", 0, 0.0, {}), 0, 0)]


def test_a_damaged_trace_tells_what_is_sound_and_then_where_it_broke(two_answers: Path) -> None:
    two_answers.write_bytes(two_answers.read_bytes()[:-20])
    feed = ReplayFeed(two_answers, math.inf)
    feed.start()
    *sound, problem = feed.drain()
    assert said(sound)[-1] == (2, ANSWER[1])
    damage = f"{two_answers}:8: not an event (cut off); 6 events before it are sound"
    assert problem == Problem(2, damage, "")


def test_damage_between_answers_belongs_to_none(tmp_path: Path) -> None:
    path = record(tmp_path / "run.jsonl", LOADED, *ANSWER)
    path.write_text(path.read_text() + "{}\n")
    feed = ReplayFeed(path, math.inf)
    feed.start()
    problem = feed.drain()[-1]
    assert isinstance(problem, Problem)
    assert problem.question is None


def test_a_recording_that_was_killed_ends_its_answer_with_a_problem(tmp_path: Path) -> None:
    feed = ReplayFeed(record(tmp_path / "run.jsonl", LOADED, *ANSWER[:2]), math.inf)
    feed.start()
    assert feed.drain()[-1] == Problem(1, "the recording ends before the answer does", "")


def test_a_recording_takes_no_questions(two_answers: Path) -> None:
    feed = ReplayFeed(two_answers)
    number = feed.ask(Question("chat", (Message("user", "hello"),), Profile(), AnswerSpec()))
    (problem,) = feed.drain()
    assert isinstance(problem, Problem)
    assert (problem.question, problem.message) == (number, "a recording takes no questions")
    feed.close()


def test_what_cannot_be_replayed_is_refused_before_it_starts(two_answers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="speed 0"):
        ReplayFeed(two_answers, 0.0)
    with pytest.raises(ModelError, match="cannot read the trace"):
        ReplayFeed(tmp_path / "nowhere.jsonl")
