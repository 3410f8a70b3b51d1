"""The progress of a service on standard error."""

import io
import sys

import pytest
from rich.console import Console

from sirius_cli.cli import diagnostics
from sirius_cli.cli.progress import progress_display
from sirius_cli.services.progress import ProgressEvent

EVENTS = [
    ProgressEvent("Fetching", 0, 2_000_000),
    ProgressEvent("Fetching", 2_000_000, 2_000_000),
    ProgressEvent("Next"),
]


def test_without_a_terminal_each_stage_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display() as progress:
        for event in EVENTS:
            progress(event)
    captured = capsys.readouterr()
    assert captured.err == "Fetching\nNext\n"
    assert captured.out == ""


def test_on_a_terminal_a_bar_shows_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(diagnostics, "console", lambda: console)
    with progress_display() as progress:
        assert screen.getvalue() == ""
        progress(EVENTS[1])
    assert "2 of 2 MB" in screen.getvalue()
