"""``sirius chat`` on a real terminal, behind pipes and under Ctrl-C: a fake engine, a true process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from sirius_cli.core.events import Finished
from sirius_cli.core.trace import read_trace

SCRIPT = str(Path(__file__).with_name("fake_engine_main.py"))


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {**kept, "TERM": "xterm-256color", "SIRIUS_HOME": str(home), "COLUMNS": "200", **more}


def terminal(home: Path, scenario: str, *arguments: str, **more: str) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable,
        [SCRIPT, scenario, "chat", *arguments],
        env=environment(home, **more),
        encoding="utf-8",
        timeout=20,
        dimensions=(50, 200),
    )


def finish(child: "pexpect.spawn[str]") -> tuple[int, str]:
    """The exit code and all that is still to be read."""
    text = child.read()
    child.wait()
    return child.exitstatus, text


def start(home: Path, scenario: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, SCRIPT, scenario, "chat", *arguments],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_corrections_are_coloured_and_underlined(tmp_path: Path) -> None:
    code, text = finish(terminal(tmp_path, "plain", "hello"))
    assert code == 0
    assert "Four legs good two\x1b[4;33m legs\x1b[0m better\r\n" in text
    assert "6 tokens, 25.0 tok/s" in text


@pytest.mark.parametrize(
    ("arguments", "variables", "answer"),
    [
        (["--no-color"], {}, "Four legs good two\x1b[4m legs\x1b[0m better\r\n"),
        ([], {"NO_COLOR": "1"}, "Four legs good two\x1b[4m legs\x1b[0m better\r\n"),
        ([], {"TERM": "dumb"}, "Four legs good two legs better\r\n"),
        (["--plain"], {}, "Four legs good two legs better\r\n"),
    ],
)
def test_marks_follow_what_is_allowed(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], answer: str
) -> None:
    code, text = finish(terminal(tmp_path, "plain", "hello", *arguments, **variables))
    assert code == 0
    assert answer in text


def test_control_characters_of_the_model_are_shown_not_obeyed(tmp_path: Path) -> None:
    _, text = finish(terminal(tmp_path, "escapes", "hello", "--plain"))
    assert "\u241b]0;owned\u2407a\tb\r\n<U+009B>2J\u240d\r\n" in text
    assert "\x1b" not in text


def test_json_on_a_terminal_stays_data(tmp_path: Path) -> None:
    _, text = finish(terminal(tmp_path, "escapes", "hello", "--json"))
    assert json.loads(text)["text"] == "\x1b]0;owned\x07a\tb\n\x9b2J\r"


@pytest.mark.parametrize("scenario", ["slow-load", "hidden-interrupt"])
def test_interrupt_during_load(tmp_path: Path, scenario: str) -> None:
    trace = tmp_path / "trace.jsonl"
    with start(tmp_path, scenario, "hello", "--trace", str(trace)) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "LOADING\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")
    assert not trace.exists()


def test_interrupt_during_decode_keeps_the_answer_and_shows_figures(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with start(tmp_path, "slow", "hello", "--trace", str(trace)) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == " word"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (" word" + out).endswith(" word\n")
    assert err.endswith("finish: cancelled\n")
    assert err.count("\n") == 1
    recorded = read_trace(trace)
    assert recorded.damage is None
    assert isinstance(recorded.events[-1], Finished)
    assert recorded.events[-1].reason == "cancelled"


def test_interrupted_json_is_whole(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with start(tmp_path, "slow", "hello", "--json", "--trace", str(trace)) as process:
        wait_for(lambda: trace.exists() and '"committed"' in trace.read_text())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    document = json.loads(out)
    assert (process.returncode, document["finish_reason"], err) == (130, "cancelled", "")
    assert document["text"] == " word" * len(document["token_ids"])


def test_a_second_interrupt_does_not_wait_for_the_engine(tmp_path: Path) -> None:
    with start(tmp_path, "stuck", "hello") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "STUCK\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "Four\n", "")


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with start(tmp_path, "endless", "hello", "-n", "200000", "--trace", str(trace)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == " "
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(10) == 0
    assert err == ""
    assert read_trace(trace).damage is None


def test_a_full_disk_behind_stdout_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "plain", "chat", "hello"]
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command, env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 3
    assert result.stderr == "error: the system refused a file operation: No space left on device\n"


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&-"])
def test_closed_streams_are_no_problem(tmp_path: Path, redirect: str) -> None:
    command = f'"{sys.executable}" "{SCRIPT}" plain chat hello {redirect}'
    result = subprocess.run(["sh", "-c", command], env=environment(tmp_path), capture_output=True, text=True)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr


def test_redirected_output_reads_the_prompt_from_the_terminal(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shell = f'"{sys.executable}" "{SCRIPT}" plain chat > "{out}"'
    child = pexpect.spawn("sh", ["-c", shell], env=environment(tmp_path), encoding="utf-8", timeout=20)
    child.expect("type the prompt")
    child.sendline("hello")
    child.sendeof()
    code, _ = finish(child)
    assert (code, out.read_text()) == (0, "Four legs good two legs better\n")


def wait_for(condition: "object", seconds: float = 10.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
