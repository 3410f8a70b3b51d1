"""The dashboard's settings: defaults without a file, every fault of a file with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.config.settings import Settings, SettingsError, load_settings, parse_settings, settings_file
from sirius_cli.exit_codes import ExitCode


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "schema_version: 1\n"])
def test_a_file_that_says_nothing_has_the_defaults(text: str) -> None:
    assert parse_settings("settings.yaml", text.encode()).settings == Settings()


def test_a_missing_file_has_the_defaults(home: Path) -> None:
    loaded = load_settings()
    assert (loaded.settings, loaded.places) == (Settings(), {})
    assert settings_file() == home / "config" / "settings.yaml"


def test_what_is_given_is_taken_and_knows_its_place(home: Path) -> None:
    settings_file().parent.mkdir()
    settings_file().write_text("theme: night\nascii: true\nrefresh_hz: 60\nkeymap:\n  chat.send: ctrl+s\n  x: f5,f6\n")
    loaded = load_settings()
    wanted = Settings(theme="night", ascii=True, refresh_hz=60, keymap={"chat.send": "ctrl+s", "x": "f5,f6"})
    assert loaded.settings == wanted
    assert loaded.places["keymap.chat.send"] == f"{settings_file()}:5"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("refresh_hz: 9", "s.yaml:1: refresh_hz: must be greater than or equal to 10, not 9"),
        ("refresh_hz: 61", "s.yaml:1: refresh_hz: must be less than or equal to 60, not 61"),
        ("refresh_hz: 30.0", "s.yaml:1: refresh_hz: must be a valid integer, not 30.0"),
        ("ascii: maybe", "s.yaml:1: ascii: must be a valid boolean, not 'maybe'"),
        ("theme: 3", "s.yaml:1: theme: must be a valid string, not 3"),
        ("them: night", "s.yaml:1: them: unknown key; did you mean theme?"),
        ("keymap: ctrl+s", "s.yaml:1: keymap: must be a mapping of keys to values"),
        ("keymap: {a.b: 1}", "s.yaml:1: keymap.a.b: must be a valid string, not 1"),
        ("keymap: {a: [x]}", "s.yaml:1: keymap.a: must be a single value"),
        ("keymap: {a: x, a: y}", "s.yaml:1: keymap.a: given twice, first at s.yaml:1"),
        ("schema_version: 2\nnews: 1", "s.yaml:1: schema_version: is 2, this program reads up to 1"),
        ("- a", "s.yaml:1: a settings file is a mapping of keys to values"),
        ("a: [", "s.yaml:1: not YAML: "),
    ],
)
def test_one_fault_is_told_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings("s.yaml", text.encode())
    assert str(caught.value).startswith(fault)
    assert len(caught.value.faults) == 1
    assert caught.value.exit_code is ExitCode.USAGE


def test_all_faults_at_once_in_the_order_of_lines() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings("s.yaml", b"keymap:\n  a: 1\nrefresh_hz: 5\ncolour: red\n")
    assert [fault.place for fault in caught.value.faults] == ["s.yaml:2", "s.yaml:3", "s.yaml:4"]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


@given(st.binary(max_size=60) | st.text("ab:{}[],&*!?-|>%@#'\" \n1", max_size=40).map(str.encode))
def test_no_content_makes_the_reader_crash(content: bytes) -> None:
    with suppress(SettingsError):
        parse_settings("any.yaml", content)
