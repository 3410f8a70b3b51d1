"""Messages survive the wire; what is no message is told, with its question where that is known."""

import json
from typing import Any

import pytest
from event_strategies import EVENTS, real
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import SamplingSpec
from sirius_cli.services.engine_protocol import (
    Ask,
    Cancel,
    Open,
    ProtocolError,
    decode_command,
    decode_item,
    encode,
)
from sirius_cli.services.feed import (
    FeedItem,
    Gone,
    Happened,
    Loading,
    Measured,
    Message,
    Problem,
    Question,
    Ready,
    Working,
)
from sirius_cli.services.session import AnswerSpec, ModelChoice

fraction = st.floats(0.0, 1.0)
positive = st.floats(1e-6, 1e6)
profiles = st.builds(
    Profile,
    name=st.text(),
    draft=st.builds(DraftSpec, method=st.sampled_from(["dense", "coarse", "fine"]), keep=st.floats(0.01, 1.0)),
    correction=st.builds(
        CorrectionSpec,
        enabled=st.booleans(),
        window=st.integers(1, 256),
        confidence=fraction,
        accept=st.sampled_from(["exact", "likelihood"]),
        threshold=fraction,
        temperature=positive,
    ),
)
specs = st.builds(
    AnswerSpec,
    max_new_tokens=st.integers(1, 10**6),
    sampling=st.builds(SamplingSpec, positive, st.floats(0.01, 1.0), st.integers(0, 1000), st.integers(0, 2**63 - 1)),
    stop=st.lists(st.text(min_size=1), max_size=3).map(tuple),
    system=st.none() | st.text(),
)
messages = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text()), max_size=4).map(tuple)
choices = st.builds(
    ModelChoice,
    st.text(),
    st.sampled_from(["auto", "cpu", "cuda:1"]),
    st.sampled_from(["auto", "float32"]),
    st.none() | st.integers(1, 64),
    st.booleans(),
)
commands = st.one_of(
    st.builds(Open, choices, profiles),
    st.builds(Ask, st.integers(0), st.builds(Question, st.text(), messages, profiles, specs)),
    st.builds(Cancel, st.none() | st.integers(0)),
)
items: st.SearchStrategy[FeedItem] = st.one_of(
    st.builds(Working),
    st.builds(Loading),
    st.builds(Ready, loaded=EVENTS["loaded"]),
    st.builds(Happened, st.integers(0), st.one_of(*EVENTS.values())),
    st.builds(Measured, st.integers(0), st.none() | real, st.integers(0)),
    st.builds(Problem),
    st.builds(Gone),
)
# The first draw of a text on a new machine builds a table of all characters, which takes seconds.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
QUESTION = Question("chat", (Message("user", "hello"),), Profile(), AnswerSpec())


@unhurried
@given(commands)
def test_commands_survive(command: Any) -> None:
    line = encode(command)
    assert decode_command(line) == command
    assert line.count(b"\n") == 1


@unhurried
@given(items)
def test_items_survive(item: FeedItem) -> None:
    line = encode(item)
    assert decode_item(line) == item
    assert line.count(b"\n") == 1


@given(st.binary(max_size=60) | st.text('{}[]":,kind0', max_size=40).map(str.encode))
def test_no_line_crashes_the_reader(line: bytes) -> None:
    for decode in (decode_command, decode_item):
        with pytest.raises(ProtocolError):
            decode(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "not JSON"),
        (b"[1]", "not an object"),
        (b'{"kind": "cancel"', "not JSON"),
        (b'{"kind": "sing"}', "unknown kind 'sing'"),
        (b'{"kind": ["ask"]}', "unknown kind"),
        (b'{"kind": "cancel"}', "cancel: number: Field required"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_wrong_is_said(line: bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem) as caught:
        decode_command(line)
    assert "\n" not in str(caught.value)


def test_a_faulty_question_is_known_by_its_number() -> None:
    data = json.loads(encode(Ask(7, QUESTION)))
    data["question"]["spec"]["max_new_tokens"] = 0
    with pytest.raises(ProtocolError, match="max-new-tokens cannot be 0") as caught:
        decode_command(json.dumps(data).encode())
    assert caught.value.number == 7


def test_a_faulty_event_is_known_by_its_question() -> None:
    with pytest.raises(ProtocolError, match="not an event") as caught:
        decode_item(b'{"kind": "happened", "question": 3, "event": {"event": "coffee"}}')
    assert caught.value.number == 3
