"""The small parts: keys, signs, the editor, where state is kept."""

import re
import stat
import sys
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.tui import editor, keymap
from sirius_cli.tui.app import ChatApp
from sirius_cli.tui.flow import Run
from sirius_cli.tui.glyphs import ASCII_SPINNER, SPINNER, AsciiOnly, needs_ascii
from sirius_cli.tui.markdown import EXPLICIT, markdown_lines
from sirius_cli.tui.screens.chat import ChatScreen
from sirius_cli.tui.screens.compare import CompareScreen
from sirius_cli.tui.screens.error import ErrorScreen
from sirius_cli.tui.screens.help import HelpScreen
from sirius_cli.tui.screens.picker import PickerScreen
from sirius_cli.tui.screens.save import SaveScreen
from sirius_cli.tui.widgets.correction import quoted
from sirius_cli.tui.widgets.prompt import Prompt

EVERYTHING = (ChatApp, ChatScreen, CompareScreen, ErrorScreen, HelpScreen, PickerScreen, SaveScreen, Prompt)
BINDINGS = [binding for owner in EVERYTHING for binding in owner.__dict__["BINDINGS"]]


def test_every_binding_has_an_id_of_its_own_and_says_what_it_does() -> None:
    ids = [binding.id for binding in BINDINGS]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert all(binding.description for binding in BINDINGS)


def test_the_document_lists_every_binding_with_its_keys() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)` \| ([\w+,]+) \|", page, re.MULTILINE))
    assert rows == {binding.id: binding.key for binding in BINDINGS}


@pytest.mark.parametrize("keys", ["f5", "ctrl+x", "ctrl+shift+x", "x", "ctrl+x,f5", "left_square_bracket", "é"])
def test_good_keys(keys: str) -> None:
    keymap.check({"chat.new": keys}, BINDINGS)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"chat.now": "x"}, "there is no 'chat.now', did you mean chat.new?"),
        ({"": "x"}, "there is no ''"),
        ({"chat.new": "crtl+x"}, "chat.new: 'crtl+x' is no key"),
        ({"chat.new": "ctrl+"}, "chat.new: 'ctrl+' is no key"),
        ({"chat.new": ""}, "chat.new: '' is no key"),
        ({"chat.new": "foo,x"}, "chat.new: 'foo' is no key"),
        ({"chat.now": "x", "chat.mode": "hugo"}, "chat.mode: 'hugo' is no key"),
        ({"chat.new": "ctrl+q"}, "app.quit and chat.new have the same key ctrl+q"),
        ({"view.side": "f5, x", "chat.mode": "f5"}, "view.side and chat.mode have the same key f5"),
    ],
)
def test_bad_keys_are_all_told(entries: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        keymap.check(entries, BINDINGS)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("env", "ascii_only"),
    [
        ({}, False),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({"LANG": "de_DE.utf8@euro"}, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_GB.UTF-8"}, True),
        ({"LC_CTYPE": "de_DE.ISO-8859-1"}, True),
        ({"TERM": "linux", "LANG": "en_GB.UTF-8"}, True),
    ],
)
def test_which_terminals_get_ascii(env: dict[str, str], ascii_only: bool) -> None:
    assert needs_ascii(env) is ascii_only


def test_ascii_keeps_every_cell_and_style() -> None:
    bold = Style(bold=True)
    segments = [Segment("a─┌█▁語🙂é…", bold), Segment("plain")]
    drawn = AsciiOnly().apply(segments, Color(0, 0, 0))
    assert all(segment.text.isascii() for segment in drawn)
    assert [segment.cell_length for segment in drawn] == [segment.cell_length for segment in segments]
    assert drawn[0].style == bold
    assert ASCII_SPINNER.isascii()
    assert not SPINNER.isascii()


def write_script(path: Path, body: str) -> str:
    path.write_text(f"import sys, pathlib, os, stat\nfile = pathlib.Path(sys.argv[1])\n{body}\n")
    return f"{sys.executable} {path}"


def test_the_editor_gets_the_prompt_and_gives_it_back(tmp_path: Path) -> None:
    command = write_script(tmp_path / "edit.py", "file.write_text(file.read_text().upper() + '\\n\\n')")
    assert editor.edit("a prompt", {"EDITOR": command}) == "A PROMPT"
    assert editor.edit("a prompt", {"EDITOR": "false", "VISUAL": command}) == "A PROMPT"


def test_what_the_editor_gets_is_private_and_does_not_stay(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    body = f"pathlib.Path({str(seen)!r}).write_text(f'{{stat.S_IMODE(file.stat().st_mode)}} {{file}}')"
    editor.edit("secret", {"EDITOR": write_script(tmp_path / "edit.py", body)})
    mode, _, path = seen.read_text().partition(" ")
    assert int(mode) == stat.S_IRUSR | stat.S_IWUSR
    assert not Path(path).exists()


@pytest.mark.parametrize("command", ["false", "/no/such/editor --wait"])
def test_an_editor_that_fails_is_told(command: str) -> None:
    with pytest.raises(EnvironmentProblem, match=r"the editor .* failed"):
        editor.edit("text", {"EDITOR": command})


def test_quoted_text_is_on_one_line() -> None:
    assert quoted(" a\nb\t\x1b[1m") == "“ a⏎b␉␛[1m”"


def test_markdown_fits_opens_no_links_and_uses_attributes() -> None:
    lines = markdown_lines("# Title\n\nSome **bold** [link](https://example.org/x) words.\n\n```python\nx = 1\n```", 30)
    texts = ["".join(run.text for run in line) for line in lines]
    assert all(len(text) <= 30 for text in texts)
    assert any("Title" in text for text in texts)
    runs = [run for line in lines for run in line]
    assert not any("link" in run.kind and "example" in run.kind for run in runs)
    assert any(run.text == "bold" and run.kind == f"{EXPLICIT}bold" for run in runs)
    assert all(isinstance(run, Run) for run in runs)
