"""``sirius demo``: the same prompts in lines where there is no terminal; on one, the dashboard plays and leaves."""

import json
import sys
from pathlib import Path

import pytest
from chat_runner import Run
from fake_engine import FakeEngine
from test_chat_terminal import environment

from sirius_cli import main as entry
from sirius_cli.services.demo import PROMPTS


def test_in_lines(run_chat: Run, capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()
    run_chat("hello", engine=engine)
    capsys.readouterr()
    assert entry.main(["demo", "--once"]) == 0
    out, err = capsys.readouterr()
    assert out.count("Four legs good two legs better") == len(PROMPTS)
    assert [line for line in err.splitlines() if line.startswith("> ")] == [f"> {prompt}" for prompt in PROMPTS]


@pytest.mark.parametrize(("arguments", "name"), [([], "exact-small"), (["--profile", "sirius"], "sirius")])
def test_it_plays_as_chats_do_or_by_a_profile(run_chat: Run, arguments: list[str], name: str) -> None:
    engine = FakeEngine()
    run_chat("hello", engine=engine)
    assert entry.main(["demo", "--once", *arguments]) == 0
    assert engine.profile.name == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loop", "--once"], "give one of them"),
        (["--speed", "0"], "speed cannot be 0.0"),
        (["--speed", "nan"], "speed cannot be nan"),
        (["--cast", "a.cast"], "--cast needs the dashboard"),
        (["--theme", "night"], "--theme needs the dashboard"),
    ],
)
def test_what_cannot_be(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["demo", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_cast_of_the_whole_demo(tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    script = Path(__file__).parents[1] / "services" / "fake_demo.py"
    cast = tmp_path / "demo.cast"
    child = pexpect.spawn(
        sys.executable,
        [str(script), "demo", "--once", "--speed", "200", "--cast", str(cast)],
        env=environment(tmp_path, COLUMNS="120", LINES="40"),
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 120),
    )
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    header, *events = map(json.loads, cast.read_text().splitlines())
    assert (header["version"], header["term"]["cols"]) == (3, 120)
    assert events[-1][1] == "x"
    assert PROMPTS[0][:20] in "".join(event[2] for event in events)
