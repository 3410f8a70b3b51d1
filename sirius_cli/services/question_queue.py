"""Who is answered next: the questions of one client in order, the clients in turn."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

from sirius_cli.services.feed import Question

Client = TypeVar("Client", bound=Hashable)


@dataclass(eq=False, slots=True)
class Ticket(Generic[Client]):
    """A question that waits or is being answered."""

    client: Client
    number: int
    question: Question
    cancelled: bool = False

    def is_cancelled(self) -> bool:
        """Whether the answer is no longer wanted."""
        return self.cancelled


class QuestionQueue(Generic[Client]):
    """Filled by any thread, emptied by one."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: OrderedDict[Client, deque[Ticket[Client]]] = OrderedDict()
        self._current: Ticket[Client] | None = None

    def put(self, ticket: Ticket[Client]) -> None:
        """Let ``ticket`` wait."""
        with self._changed:
            self._waiting.setdefault(ticket.client, deque()).append(ticket)
            self._changed.notify()

    def next(self) -> Ticket[Client]:
        """Wait for the next ticket. It is the current one until the next call."""
        with self._changed:
            self._current = None
            self._changed.wait_for(lambda: self._waiting)
            client, tickets = self._waiting.popitem(last=False)
            self._current = tickets.popleft()
            if tickets:
                self._waiting[client] = tickets
            return self._current

    def cancel(self, client: Client, number: int) -> bool:
        """Mark the current question, if it is this one, or take it out of those that wait.

        Returns whether it has been taken out, so that nobody will answer it.
        """
        with self._changed:
            current = self._current
            if current is not None and (current.client, current.number) == (client, number):
                current.cancelled = True
                return False
            return self._take_out(client, number)

    def drop(self, client: Client) -> None:
        """Forget all questions of ``client``; the current one is cancelled."""
        with self._changed:
            self._waiting.pop(client, None)
            if self._current is not None and self._current.client == client:
                self._current.cancelled = True

    def _take_out(self, client: Client, number: int) -> bool:
        tickets = self._waiting.get(client, deque[Ticket[Client]]())
        kept = deque(ticket for ticket in tickets if ticket.number != number)
        if kept:
            self._waiting[client] = kept
        else:
            self._waiting.pop(client, None)
        return len(kept) < len(tickets)
