"""Driving a feed: questions, and waiting for what comes of them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from sirius_cli.core.events import Committed, Finished
from sirius_cli.core.profile import Profile
from sirius_cli.services.engine_process import EngineProcess
from sirius_cli.services.feed import Feed, FeedItem, Gone, Happened, Message, Problem, Question, Ready
from sirius_cli.services.session import AnswerSpec, ModelChoice

CHOICE = ModelChoice("fake")
PATIENCE = 60.0  # seconds


def worker(scenario: str) -> list[str]:
    """The command of a process with a fake engine."""
    return [sys.executable, str(Path(__file__).with_name("fake_worker.py")), scenario]


def fake(scenario: str, **more: Path) -> EngineProcess:
    return EngineProcess(CHOICE, Profile(), worker=worker(scenario), **more)


def question(prompt: str = "hello", lane: str = "chat", profile: Profile | None = None, limit: int = 10**6) -> Question:
    return Question(lane, (Message("user", prompt),), profile or Profile(), AnswerSpec(max_new_tokens=limit))


class Watched:
    """A feed and all that it has said."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.items: list[FeedItem] = []
        self._seen = 0

    def until(self, wanted: Callable[[FeedItem], bool]) -> FeedItem:
        """Drain until an item is ``wanted``; those before it are not looked at again."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.items += self.feed.drain()
            while self._seen < len(self.items):
                self._seen += 1
                if wanted(self.items[self._seen - 1]):
                    return self.items[self._seen - 1]
            time.sleep(0.005)
        raise TimeoutError(f"not in {self.items[-5:]}")

    def until_type(self, cls: type[FeedItem]) -> FeedItem:
        return self.until(lambda item: isinstance(item, cls))

    def until_event(self, number: int, cls: type) -> FeedItem:
        return self.until(lambda i: isinstance(i, Happened) and i.question == number and isinstance(i.event, cls))

    def ready(self) -> "Watched":
        self.feed.start()
        self.until_type(Ready)
        return self

    def answered(self, number: int) -> "Watched":
        """Wait until nothing more will happen in the answer to question ``number``."""
        self.until(lambda item: isinstance(item, Gone) or _ends(item, number))
        return self

    def text(self, number: int) -> str:
        events = [item.event for item in self.items if isinstance(item, Happened) and item.question == number]
        return "".join(token.text for event in events if isinstance(event, Committed) for token in event.tokens)

    def reason(self, number: int) -> str:
        events = [item.event for item in self.items if isinstance(item, Happened) and item.question == number]
        return next(event.reason for event in events if isinstance(event, Finished))


def _ends(item: FeedItem, number: int) -> bool:
    if isinstance(item, Happened):
        return item.question == number and isinstance(item.event, Finished)
    return isinstance(item, Problem) and item.question == number
