"""A front end's end of the talk with an engine's process, whoever has started that."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from threading import Lock, Thread
from typing import Protocol

from sirius_cli.core.events import Finished
from sirius_cli.core.profile import Profile
from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import SiriusError
from sirius_cli.services import engine_protocol as protocol
from sirius_cli.services.engine_protocol import Ask, Cancel, Command, Open, ProtocolError
from sirius_cli.services.feed import FeedItem, Gone, Happened, Problem, Question, Ready
from sirius_cli.services.line_channel import LineChannel
from sirius_cli.services.session import ModelChoice


class Link(Protocol):
    """A connection to an engine's process."""

    channel: LineChannel[Command]

    def give_up(self) -> None:
        """End the fetching or loading of the model, as far as it is ours; the channel ends. Returns at once."""

    def farewell(self) -> str:
        """Why the channel has ended, in one line. May wait for a moment."""

    def close(self) -> None:
        """End whatever there is to end, in less than a second."""


class EngineClient:
    """A :class:`~sirius_cli.services.feed.Feed` over a link. A thread for each link listens to it.

    Args:
        connect: makes the link; raises SiriusError where it cannot.
    """

    def __init__(self, choice: ModelChoice, profile: Profile, connect: Callable[[], Link]) -> None:
        self._opening = Open(choice, profile)
        self._connect = connect
        self._numbers = count(1)
        self._items: deque[FeedItem] = deque()
        self._lock = Lock()
        self._link: Link | None = None
        self._ready = False
        self._pending: dict[int, None] = {}

    def start(self) -> None:
        """See :class:`Feed`. An engine that runs is ended first."""
        self.close()
        try:
            link = self._connect()
        except SiriusError as error:
            self._items.append(Problem(None, error.message, error.hint))
            return
        link.channel.send(self._opening)
        self._link = link
        Thread(target=self._listen, args=(link,), name="engine listener", daemon=True).start()

    def ask(self, question: Question) -> int:
        """See :class:`Feed`."""
        number = next(self._numbers)
        with self._lock:
            if self._link is None:
                self._items.append(Problem(number, "the engine is not running", "start it again"))
            else:
                self._pending[number] = None
                self._link.channel.send(Ask(number, question))
        return number

    def cancel(self) -> None:
        """See :class:`Feed`. A question that has been asked and not answered counts as being answered."""
        with self._lock:
            if self._link is None:
                return
            if not self._ready:
                self._link.give_up()
            elif self._pending:
                self._link.channel.send(Cancel(next(iter(self._pending))))

    def drain(self) -> Sequence[FeedItem]:
        """See :class:`Feed`."""
        return [self._items.popleft() for _ in range(len(self._items))]

    def close(self) -> None:
        """See :class:`Feed`."""
        link = self._part()
        if link is not None:
            link.close()

    def _listen(self, link: Link) -> None:
        try:
            for line in link.channel.lines():
                self._take(link, protocol.decode_item(line))
            reason = link.farewell()
        except ProtocolError as error:
            link.close()
            reason = f"the engine sent what cannot be read, {error}"
        gone = self._part(link) is not None
        link.close()
        if gone:
            self._items.append(Gone(one_line(reason)))

    def _take(self, link: Link, item: FeedItem) -> None:
        with self._lock:
            if self._link is not link:
                return
            match item:
                case Ready():
                    self._ready = True
                case Problem(None):
                    self._forget()
                case Problem(int(number)) | Happened(int(number), Finished()):
                    self._pending.pop(number, None)
            self._items.append(item)

    def _part(self, link: Link | None = None) -> Link | None:
        """Let go of the current link, if it is ``link`` or that is None, and give it."""
        with self._lock:
            current = self._link
            if current is None or link not in (None, current):
                return None
            self._forget()
            return current

    def _forget(self) -> None:
        self._link, self._ready = None, False
        self._pending.clear()
