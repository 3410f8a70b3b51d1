"""How ``sirius chat`` opens the dashboard, and what it does where there is none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from chat_runner import Run
from test_chat_terminal import environment

TRACE = Path(__file__).parents[1] / "data" / "dashboard.jsonl"
ROOT = [sys.executable, "-m", "sirius_cli", "chat"]


def test_a_replay_without_a_terminal_is_text(run_chat: Run) -> None:
    result = run_chat("--replay", str(TRACE), "--speed", "inf")
    assert result.code == 0
    assert result.out.startswith("A train leaves at 14:20")
    assert result.out.endswith("which is when the train left.\n")
    assert "tok/s" in result.err
    assert result.choice is None


def test_a_damaged_replay_shows_what_is_sound(run_chat: Run, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(TRACE.read_bytes()[:20_000])
    result = run_chat("--replay", str(cut), "--speed", "inf")
    assert result.out.startswith("A train leaves")
    assert "not an event" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "2", "hello"], "--speed is that of a replay"),
        (["--replay", str(TRACE), "hello"], "a replay takes no questions"),
        (["--replay", str(TRACE), "--continue"], "a replay takes no questions"),
        (["--replay", str(TRACE), "--speed", "0"], "cannot replay at speed 0"),
        (["--continue", "hello"], "--continue needs the dashboard"),
        (["--theme", "night", "hello"], "--theme needs the dashboard"),
        (["--inline", "hello"], "--inline needs the dashboard"),
        (["--replay", "/no/such/trace"], "cannot read the trace /no/such/trace"),
        (["--replay", str(TRACE), "--screenshot", "x.svg", "--theme", "nigth"], "did you mean night?"),
        (["--replay", str(TRACE), "--screenshot", str(TRACE)], "is read for what would be written to it"),
        (["--replay", str(TRACE), "--json"], "--json is for new answers, not for a replay"),
        (["--replay", str(TRACE), "--trace", "x.jsonl"], "--trace is for new answers, not for a replay"),
        (["--screenshot", "x.svg", "--jsonl"], "--jsonl is for answers, not for a picture"),
    ],
)
def test_wrong_usage_is_one_line(run_chat: Run, arguments: list[str], message: str) -> None:
    result = run_chat(*arguments)
    assert result.code in (2, 4)
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert result.choice is None


def test_a_screenshot_of_a_replay_needs_neither_terminal_nor_torch(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    script = "import sys; from sirius_cli.main import main; code = main(sys.argv[1:]); "
    script += "sys.stderr.write(repr([code, 'torch' in sys.modules, 'transformers' in sys.modules]))"
    command = [sys.executable, "-c", script, "chat", "--replay", str(TRACE), "--screenshot", str(picture)]
    done = subprocess.run(command, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.stderr == "[0, False, False]"
    svg = picture.read_text()
    assert svg.startswith("<svg")
    assert "replay" in svg
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture.svg"]


def test_a_screenshot_that_cannot_be_written(tmp_path: Path) -> None:
    command = [*ROOT, "--replay", str(TRACE), "--screenshot", str(tmp_path / "no" / "picture.svg")]
    done = subprocess.run(command, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot write" in done.stderr


@pytest.fixture
def replaying(tmp_path: Path) -> "Iterator[pexpect.spawn[str]]":
    child = pexpect.spawn(
        ROOT[0],
        [*ROOT[1:], "--replay", str(TRACE), "--speed", "inf"],
        env=environment(tmp_path),
        encoding="utf-8",
        timeout=20,
        dimensions=(40, 120),
    )
    yield child
    child.close(force=True)


def test_a_replay_on_a_terminal_is_the_dashboard(replaying: "pexpect.spawn[str]") -> None:
    replaying.expect("finished")
    replaying.send("\x11")
    replaying.expect(pexpect.EOF)
    replaying.close()
    assert replaying.exitstatus == 0


def test_settings_that_are_wrong_are_told_before_it_opens(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.yaml").write_text("keymap:\n  chat.now: x\n")
    command = [*ROOT, "--replay", str(TRACE), "--screenshot", str(tmp_path / "x.svg")]
    done = subprocess.run(command, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2
    assert "did you mean chat.new?" in done.stderr
