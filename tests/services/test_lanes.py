"""Lanes of one client: whose engine is kept, and what becomes of an answer that fails."""

from collections.abc import Generator
from dataclasses import dataclass, field

import pytest
from fake_engine import FakeEngine
from feeds import question

from sirius_cli.core.events import Finished, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.feed import FeedItem, Happened, Measured, Message, Problem, Question
from sirius_cli.services.lanes import Lanes
from sirius_cli.services.progress import ProgressEvent, throttled
from sirius_cli.services.session import AnswerSpec


@dataclass
class Counting(FakeEngine):
    """Counts its twins, and raises ``problem`` while there is one."""

    twins: list[Profile] = field(default_factory=list)

    def twin(self, profile: Profile) -> "Counting":
        self.twins.append(profile)
        return self

    def generate(self, request: object, cancelled: object) -> Generator[StepEvent, None, None]:
        if self.problem is not None:
            raise self.problem
        return super().generate(request)


def answer(lanes: Lanes, asked: Question, *, cancelled: bool = False) -> list[FeedItem]:
    told: list[FeedItem] = []
    lanes.answer(7, asked, lambda: cancelled, told.append)
    return told


@pytest.mark.parametrize(
    ("problem", "forgotten"),
    [(UsageError("too long"), False), (ModelError("torn"), True), (MemoryError(), True)],
)
def test_a_failed_answer_costs_its_cache_unless_it_never_began(problem: Exception, forgotten: bool) -> None:
    engine = Counting()
    lanes = Lanes(engine)
    answer(lanes, question())
    engine.problem = problem
    (told,) = answer(lanes, question())
    assert isinstance(told, Problem)
    engine.problem = None
    assert isinstance(answer(lanes, question())[-1], Measured)
    assert len(engine.twins) == 1 + forgotten


def test_the_lane_used_least_recently_is_forgotten() -> None:
    engine = Counting()
    lanes = Lanes(engine, limit=2)
    for lane in ("a", "b", "a", "c", "a", "b"):
        answer(lanes, question(lane=lane))
    assert len(engine.twins) == 4


def test_a_cancelled_answer_is_finished_and_measured() -> None:
    *_, last, measured = answer(Lanes(FakeEngine()), question(), cancelled=True)
    assert isinstance(last, Happened)
    assert last.event == Finished(0, 0.1, "cancelled", "")
    assert isinstance(measured, Measured)


@pytest.mark.parametrize("messages", [(), (Message("user", "a"), Message("assistant", "b"))])
def test_a_question_ends_with_the_user(messages: tuple[Message, ...]) -> None:
    (problem,) = answer(Lanes(FakeEngine()), Question("chat", messages, Profile(), AnswerSpec()))
    assert problem == Problem(7, "a question has to end with the user's turn", "")


def test_progress_between_its_ends_is_thinned_out() -> None:
    now = 0.0
    passed: list[ProgressEvent] = []
    report = throttled(passed.append, 0.1, lambda: now)
    for done in range(101):
        report(ProgressEvent("Fetching", done, 100))
        now += 0.01
    report(ProgressEvent("Reading"))
    assert [event.stage for event in passed][-1] == "Reading"
    done = [event.done for event in passed[:-1]]
    assert (done[0], done[-1]) == (0, 100)
    assert 10 <= len(done) <= 12
