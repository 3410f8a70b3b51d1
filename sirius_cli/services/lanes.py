"""Answers in several lanes over one model: each lane has a KV cache of its own."""

import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict

from sirius_cli.core.profile import Profile
from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import UsageError
from sirius_cli.services import failures
from sirius_cli.services.feed import FeedItem, Happened, Measured, Problem, Question
from sirius_cli.services.memory import resident_bytes
from sirius_cli.services.session import Engine, Session

LIMIT = 4  # lanes; a comparison of three answers beside the conversation


class Lanes:
    """The engines of one client. With more than ``limit`` lanes, the one that was used least recently is forgotten."""

    def __init__(self, engine: Engine, limit: int = LIMIT) -> None:
        self._engine = engine
        self._limit = limit
        self._lanes: OrderedDict[str, Engine] = OrderedDict()

    def answer(
        self, number: int, question: Question, cancelled: Callable[[], bool], tell: Callable[[FeedItem], None]
    ) -> None:
        """Answer ``question`` and tell what happens, as items of question ``number``. Raises nothing."""
        try:
            engine = self._enter(question.lane, question.profile)
            with closing(_session(engine, question).ask(question.messages[-1].content, cancelled)) as events:
                for event in events:
                    tell(Happened(number, event))
            tell(Measured(number, engine.dense_step_ms(), resident_bytes()))
        except Exception as error:
            if not isinstance(error, UsageError):  # what the lane's cache holds now is not known
                self._lanes.pop(question.lane, None)
            tell(problem(number, error))

    def _enter(self, lane: str, profile: Profile) -> Engine:
        if lane not in self._lanes:
            while len(self._lanes) >= self._limit:
                self._lanes.popitem(last=False)
            self._lanes[lane] = self._engine.twin(profile)
        self._lanes.move_to_end(lane)
        self._lanes[lane].profile = profile
        return self._lanes[lane]


def problem(number: int | None, error: Exception) -> Problem:
    """What to tell about ``error``. A bug of ours is reported in a file, and on standard error."""
    known = failures.explain(error)
    if known is None:
        traceback.print_exception(error, file=sys.stderr)
    told = known or failures.report_bug(error)
    return Problem(number, one_line(told.message), one_line(told.hint))


def _session(engine: Engine, question: Question) -> Session:
    if not question.messages or question.messages[-1].role != "user":
        raise UsageError("a question has to end with the user's turn")
    session = Session(engine, question.spec)
    session.turns = [asdict(message) for message in question.messages[:-1]]
    return session
