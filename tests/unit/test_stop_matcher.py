"""Stop strings: found however the text is cut, and nothing is held back without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.engine.stops import StopMatcher
from sirius_cli.errors import UsageError

letters = st.text("ab\n", max_size=4)
some_stops = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


def oracle(text: str, stops: list[str]) -> tuple[str, bool]:
    """The first prefix of ``text`` that ends in a stop, less the longest such stop."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


@given(some_stops, st.lists(letters))
def test_any_cut_gives_what_the_whole_text_gives(stops: list[str], pieces: list[str]) -> None:
    matcher = StopMatcher(stops)
    released, stopped = "", False
    for piece in pieces:
        text, stopped = matcher.push(piece)
        released += text
    released += matcher.flush()
    assert (released, stopped) == oracle("".join(pieces), stops)


@given(some_stops, st.lists(letters, min_size=1))
def test_only_what_could_begin_a_stop_is_held_back(stops: list[str], pieces: list[str]) -> None:
    matcher = StopMatcher(stops)
    released, text = "", ""
    for piece in pieces:
        text += piece
        fresh, stopped = matcher.push(piece)
        released += fresh
        if stopped:
            return
        held = text[len(released) :]
        assert released + held == text
        assert not held or any(stop.startswith(held) for stop in stops)


def test_a_stop_across_pieces() -> None:
    matcher = StopMatcher(["</s>"])
    assert matcher.push("a</") == ("a", False)
    assert matcher.push("s") == ("", False)
    assert matcher.push(">b") == ("", True)
    assert matcher.push("more") == ("", True)
    assert matcher.flush() == ""


def test_a_false_alarm_is_released() -> None:
    matcher = StopMatcher(["aab"])
    assert matcher.push("aa") == ("", False)
    assert matcher.push("a") == ("a", False)
    assert matcher.push("x") == ("aax", False)
    assert matcher.push("aa") == ("", False)
    assert matcher.flush() == "aa"
    assert matcher.flush() == ""


def test_without_stops_nothing_is_held_back() -> None:
    assert StopMatcher([]).push("text") == ("text", False)


def test_an_empty_stop_is_refused() -> None:
    with pytest.raises(UsageError, match="empty stop string"):
        StopMatcher(["a", ""])
