"""The line REPL on a real terminal."""

import stat
from pathlib import Path

import pexpect
import pytest
from test_chat_terminal import finish, terminal

from sirius_cli.core.metrics import fold
from sirius_cli.core.trace import read_trace


@pytest.fixture
def talk(tmp_path: Path) -> "pexpect.spawn[str]":
    return begin(tmp_path, "plain")


def begin(home: Path, scenario: str, *arguments: str) -> "pexpect.spawn[str]":
    child = terminal(home, scenario, "--plain", *arguments)
    child.expect("/help lists the commands")
    child.expect(">>> ")
    return child


def say(child: "pexpect.spawn[str]", line: str) -> str:
    """Send a line; all that appears before the next prompt, the echo included."""
    child.sendline(line)
    child.expect(">>> ")
    assert child.before is not None
    return child.before


def test_answers_and_leaves_on_ctrl_d(talk: "pexpect.spawn[str]") -> None:
    text = say(talk, "hello")
    assert "Four legs good two legs better\r\n" in text
    assert "6 tokens" in text
    talk.sendeof()
    assert finish(talk)[0] == 0


def test_bye_leaves(talk: "pexpect.spawn[str]") -> None:
    talk.sendline("/bye")
    assert finish(talk)[0] == 0


@pytest.mark.parametrize("line", ["/quit", "/exit"])
def test_other_words_leave_too(talk: "pexpect.spawn[str]", line: str) -> None:
    talk.sendline(line)
    assert finish(talk)[0] == 0


def test_help_lists_every_command(talk: "pexpect.spawn[str]") -> None:
    text = say(talk, "/help")
    assert all(name in text for name in ("/help", "/set", "/show", "/system", "/clear", "/retry", "/stats", "/bye"))


def test_set_changes_profile_and_sampling(talk: "pexpect.spawn[str]") -> None:
    assert "error" not in say(talk, "/set method coarse") + say(talk, "/set keep 0.25")
    assert "error" not in say(talk, "/set window 8") + say(talk, "/set correction off")
    assert "error" not in say(talk, "/set top-p 0.5") + say(talk, "/set stop a b") + say(talk, "/set max-new-tokens 2")
    lines = [" ".join(line.split()) for line in say(talk, "/show").splitlines()]
    assert {
        "draft.keep 0.25", "correction.window 8", "correction.enabled False", "top-p 0.5", "max-new-tokens 2",
        "stop 'a b'",
    } <= set(lines)  # fmt: skip
    assert "2 tokens" in say(talk, "hello")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/set keep 0", "error: /set: draft.keep: must be greater than 0"),
        ("/set keep 0.4", "error: keep has no effect: a dense draft uses all neurons; first /set method coarse"),
        ("/set threshold 0.3", "error: threshold has no effect: the exact rule knows no likelihood; first /set accept"),
        ("/set tree-width 17", "error: /set: draft.tree_width: must be less than or equal to 16, not 17"),
        ("/set tree-width few", "error: tree-width cannot be few"),
        ("/set keep much", "error: keep cannot be much"),
        ("/set temperature -1", "error: temperature cannot be -1.0"),
        ("/set colour red", "error: /set cannot use 'colour red'"),
        ("/set keep", "error: /set cannot use 'keep'"),
        ("/sing", "error: there is no command /sing; /help lists them"),
        ("/retry", "error: there is nothing to retry yet"),
        ("/stats", "error: there is no answer yet"),
    ],
)
def test_mistakes_are_one_line_and_the_talk_goes_on(talk: "pexpect.spawn[str]", line: str, message: str) -> None:
    assert message in say(talk, line)
    assert "Four legs" in say(talk, "hello")


def test_stats_show_all_figures_of_the_last_answer(talk: "pexpect.spawn[str]") -> None:
    say(talk, "hello")
    text = say(talk, "/stats")
    assert "effective_density" in text
    assert "not measured" in text


def test_conversation_grows_is_retried_and_cleared(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    talk = begin(tmp_path, "plain", "--trace", str(trace))
    for line in ("one", "two", "/retry", "/clear", "three", "/system be brief", "/clear", "four"):
        say(talk, line)
    talk.sendeof()
    assert finish(talk)[0] == 0
    recorded = read_trace(trace)
    lengths = [event.prompt_tokens for event in recorded.events if event.kind == "prefilled"]
    # "<s> <user> one"; two turns and an answer of six words; the same again; a new start; with a system prompt.
    assert lengths == [3, 12, 12, 3, 6]
    assert fold(recorded.events).committed_tokens == 5 * 6


def test_ctrl_c_stops_only_the_answer(tmp_path: Path) -> None:
    talk = begin(tmp_path, "slow")
    talk.sendline("hello")
    talk.expect("word word")
    talk.sendintr()
    talk.expect("finish: cancelled")
    talk.expect(">>> ")
    assert "fake" in say(talk, "/show")
    talk.sendeof()
    assert finish(talk)[0] == 0


def test_ctrl_c_at_the_prompt_says_how_to_leave(talk: "pexpect.spawn[str]") -> None:
    talk.send("half a line")
    talk.expect("half a line")
    # The echo may be the terminal's own, while the line editor is only being set up: Python notices a signal of that
    # moment at the next key, so a user presses again.
    for _ in range(4):
        talk.sendintr()
        if talk.expect(["Ctrl-D or /bye leaves", pexpect.TIMEOUT], timeout=5) == 0:
            break
    else:
        pytest.fail("Ctrl-C is not answered")
    talk.expect(">>> ")
    assert "Four legs" in say(talk, "hello")


def test_history_is_kept_for_the_user_alone(tmp_path: Path) -> None:
    pytest.importorskip("readline")
    talk = begin(tmp_path, "plain")
    say(talk, "hello")
    talk.sendeof()
    finish(talk)
    history = tmp_path / "history"
    assert "hello" in history.read_text().splitlines()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    again = begin(tmp_path, "plain")
    again.send("\x1b[A\r")
    again.expect("Four legs")
    again.close()
