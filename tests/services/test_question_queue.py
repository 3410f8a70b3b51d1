"""Questions wait in order, clients in turn, and can be taken back."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.profile import Profile
from sirius_cli.services.feed import Message, Question
from sirius_cli.services.question_queue import QuestionQueue, Ticket
from sirius_cli.services.session import AnswerSpec

QUESTION = Question("chat", (Message("user", "hello"),), Profile(), AnswerSpec())


def filled(*names: str) -> QuestionQueue[str]:
    """Such as "a1", the question 1 of client a."""
    queue: QuestionQueue[str] = QuestionQueue()
    for name in names:
        queue.put(Ticket(name[0], int(name[1:]), QUESTION))
    return queue


def taken(queue: QuestionQueue[str], count: int) -> list[str]:
    tickets = [queue.next() for _ in range(count)]
    return [f"{ticket.client}{ticket.number}" for ticket in tickets]


def test_clients_take_turns() -> None:
    assert taken(filled("a1", "a2", "a3", "b1", "c1", "b2"), 6) == ["a1", "b1", "c1", "a2", "b2", "a3"]


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_nobody_is_passed_over_and_everybody_keeps_the_order(clients: list[str]) -> None:
    counts: dict[str, int] = defaultdict(int)
    names = []
    for client in clients:
        counts[client] += 1
        names.append(f"{client}{counts[client]}")
    order = taken(filled(*names), len(names))
    for client, count in counts.items():
        assert [name for name in order if name[0] == client] == [f"{client}{i}" for i in range(1, count + 1)]
        for i in range(1, count):  # between two questions of a client, no other client is answered twice
            between = order[order.index(f"{client}{i}") + 1 : order.index(f"{client}{i + 1}")]
            assert len({name[0] for name in between}) == len(between)


def test_a_waiting_question_is_taken_out() -> None:
    queue = filled("a1", "b1", "a2")
    assert queue.cancel("a", 1)
    assert not queue.cancel("a", 1)
    assert taken(queue, 2) == ["a2", "b1"]


def test_the_current_question_is_marked() -> None:
    queue = filled("a1", "b1")
    ticket = queue.next()
    assert not queue.cancel("b", 7)
    assert not queue.cancel("a", 2)
    assert not ticket.is_cancelled()
    assert not queue.cancel("a", 1)
    assert ticket.is_cancelled()
    assert not queue.next().is_cancelled()


def test_a_client_that_leaves_takes_its_questions_along() -> None:
    queue = filled("a1", "a2", "b1")
    ticket = queue.next()
    queue.drop("a")
    assert ticket.is_cancelled()
    assert taken(queue, 1) == ["b1"]
