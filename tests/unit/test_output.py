"""What standard output and standard error are sent."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.cli import diagnostics, output, terminal
from sirius_cli.errors import UsageError


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A pipe without a reader."""

    def flush(self) -> None:
        raise BrokenPipeError


def test_text_for_a_terminal_has_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    output.write_text("a\x1b[2J\tb\r\n\x00\x7f\x9b\u202e")
    assert screen.getvalue() == "a\u241b[2J\tb\u240d\n\u2400\u2421<U+009B><U+202E>"


def test_text_for_a_pipe_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_text("a\x1b[2J\tb\n")
    assert capsys.readouterr().out == "a\x1b[2J\tb\n"


def test_a_style_wraps_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    output.write_text("a\x1b", style="4;33")
    assert screen.getvalue() == "\x1b[4;33ma\u241b\x1b[0m"


@given(st.text())
def test_neutralised_text_only_moves_by_newline_and_tab(text: str) -> None:
    safe = terminal.neutralise(text)
    safe.encode()
    assert all(c in "\n\t" or not ("\x00" <= c < " " or "\x7f" <= c <= "\x9f") for c in safe)
    assert terminal.neutralise(safe) == safe


@given(st.text())
def test_ordinary_text_is_not_touched(text: str) -> None:
    if text.isprintable():
        assert terminal.neutralise(text) == text


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(terminal.one_line(text).splitlines()) <= 1


@given(st.dictionaries(st.text(), st.text() | st.lists(st.integers() | st.text(), max_size=3), max_size=3))
def test_json_is_the_same_data_without_control_characters(value: object) -> None:
    text = output.as_json(value, indent=None)
    assert json.loads(text) == value
    assert terminal.neutralise(text) == text


def test_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.write_json({"rate": float("nan")})


def test_json_lines_are_single_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json_line({"a": ["x\ny"]})
    assert capsys.readouterr().out == '{"a": ["x\\ny"]}\n'


def test_table_columns_are_aligned_by_what_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table(["name", "size"], [["a", "1"], ["\u6a21\u578b", "22"], ["e\u0301\x1b", "3\n4"]])
    assert capsys.readouterr().out.splitlines() == [
        "name  size",
        "a     1",
        "\u6a21\u578b  22",
        "e\u0301\u241b    3 4",
    ]


def test_a_closed_pipe_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(output.PipeClosedError):
        output.write_line("x")


def test_closed_descriptors_take_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    output.write_line("x")


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    diagnostics.error(UsageError("no\x1b[1m\nsuch file", "look\r\nagain"))
    assert capsys.readouterr().err == "error: no\u241b[1m such file; look again\n"


@pytest.mark.parametrize(
    ("env", "colour", "expected"),
    [
        ({"TERM": "xterm"}, True, (True, True)),
        ({"TERM": "xterm"}, False, (True, False)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, (True, False)),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, (True, True)),
        ({"TERM": "dumb"}, True, (False, False)),
        ({}, True, (False, False)),
    ],
)
def test_abilities(env: dict[str, str], colour: bool, expected: tuple[bool, bool]) -> None:
    able = terminal.abilities(Screen(), env, colour=colour)
    assert (able.ansi, able.colour) == expected
    assert terminal.abilities(io.StringIO(), env) == terminal.Abilities(False, False)


def test_status_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with diagnostics.status("loading"):
        pass
    assert capsys.readouterr().err == ""
