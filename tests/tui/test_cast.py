"""Recordings: asciicast v3 that plays, of what was drawn alone; a full disk ends the recording, not the dashboard."""

import asyncio
import io
import json
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot
from textual.widgets import Static

from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.tui import themes
from sirius_cli.tui.cast import Cast, recorded

THEME = themes.catalogue().themes["night"]


def lines(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines()]


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


class FullDisk(io.StringIO):
    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, text: str) -> int:
        if self.tell() + len(text) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_header_relative_times_resize_and_end() -> None:
    file = io.StringIO()
    cast = Cast(file, THEME, Clock())
    cast.output("\x1b[2Jé", 80, 24)
    cast.output("more", 100, 30)
    cast.finish()
    header, *events = lines(file.getvalue())
    assert isinstance(header, dict)
    assert (header["version"], header["term"]["cols"], header["term"]["rows"]) == (3, 80, 24)
    assert len(header["term"]["theme"]["palette"].split(":")) == 8
    assert events == [[0.25, "o", "\x1b[2Jé"], [0.25, "r", "100x30"], [0.25, "o", "more"], [0.25, "x", "0"]]


def test_nothing_drawn_leaves_no_line() -> None:
    file = io.StringIO()
    Cast(file, THEME).finish()
    assert file.getvalue() == ""


@pytest.mark.parametrize("asking", ["\x1b[?1003h", "\x1b[?2004l", "\x1b[?2026$p", "\x1b[>1u", "\x1b[?1006h\x1b[<u"])
def test_what_a_player_must_not_obey_is_left_out(asking: str) -> None:
    file = io.StringIO()
    cast = Cast(file, THEME, Clock())
    cast.output(asking, 80, 24)
    cast.output(f"a{asking}\x1b[?25lb", 80, 24)
    assert lines(file.getvalue())[1:] == [[0.25, "o", "a\x1b[?25lb"]]


@pytest.mark.parametrize("room", [0, 10, 400])
def test_a_full_disk_ends_the_recording_quietly(room: int) -> None:
    file = FullDisk(room)
    cast = Cast(file, THEME)
    for _ in range(50):
        cast.output("0123456789", 80, 24)
    cast.finish()
    assert cast.fault is not None
    lines(file.getvalue())


class Silent(HeadlessDriver):
    """Is drawn on, and shows nothing."""

    @property
    def is_headless(self) -> bool:
        return False


class Hello(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("good morning")


def run(app: App[None]) -> None:
    """Draw once, and leave."""

    async def leave(pilot: Pilot[None]) -> None:
        await pilot.pause()
        app.exit()

    asyncio.run(app.run_async(size=(60, 12), auto_pilot=leave))


def test_a_dashboard_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "day.cast"
    with recorded(path, THEME, Silent) as kind:
        run(Hello(driver_class=kind))
    header, *events = lines(path.read_text())
    assert isinstance(header, dict)
    assert (header["term"]["cols"], header["term"]["rows"]) == (60, 12)
    assert any("good morning" in event[2] for event in events if isinstance(event, list))
    assert isinstance(events[-1], list)
    assert events[-1][1] == "x"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name another file"), recorded(tmp_path / "no" / "a.cast", THEME):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_recording_that_broke_off_is_told_at_the_end() -> None:
    with (
        pytest.raises(EnvironmentProblem, match="broke off"),
        recorded(Path("/dev/full"), THEME, Silent) as kind,
    ):
        run(Hello(driver_class=kind))
