"""The engine in a true process, with a fake engine in it: answers, cancelling in every phase, every kind of end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from feeds import PATIENCE, Watched, question

from sirius_cli.core.events import Committed, Drafted, Finished, Prefilled
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.services import engine_process
from sirius_cli.services.engine_process import EngineProcess
from sirius_cli.services.feed import Gone, Happened, Loading, Measured, Message, Problem, Question, Ready, Working
from sirius_cli.services.session import AnswerSpec, ModelChoice

Make = Callable[[str], Watched]


def pid_of(watched: Watched) -> int:
    link = watched.feed._link
    return link._process.pid


def is_alive(pid: int) -> bool:
    """A process that has ended and that nobody has waited for counts as dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def await_death(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_from_start_to_figures(engine: Make) -> None:
    watched = engine("plain").ready()
    number = watched.feed.ask(question())
    watched.until_type(Measured)
    kinds = [type(item) for item in watched.items]
    assert kinds[:2] == [Loading, Ready]
    assert set(kinds[2:-1]) == {Happened}
    ready, measured = watched.items[1], watched.items[-1]
    assert isinstance(ready, Ready)
    assert (ready.loaded.model, ready.context) == ("fake", 1000)
    assert isinstance(measured, Measured)
    assert (measured.question, measured.dense_step_ms) == (number, 10.0)
    assert min(ready.memory, measured.memory) > 5_000_000
    assert watched.text(number) == "Four legs good two legs better"


def test_questions_may_be_asked_before_the_model_is_there(engine: Make) -> None:
    watched = engine("plain")
    watched.feed.start()
    numbers = [watched.feed.ask(question()) for _ in range(2)]
    watched.answered(numbers[1])
    assert [watched.text(number) for number in numbers] == ["Four legs good two legs better"] * 2


def test_the_whole_conversation_and_the_profile_reach_the_engine(engine: Make) -> None:
    watched = engine("profiled").ready()
    messages = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    asked = Question("chat", messages, Profile(name="mine"), AnswerSpec(system="be brief"))
    number = watched.feed.ask(asked)
    said = "<system> be brief <user> one <assistant> two <user> three"
    assert watched.answered(number).text(number) == f"engine 1, mine: {said}"


def test_every_lane_has_an_engine_and_the_oldest_goes(engine: Make) -> None:
    watched = engine("profiled").ready()
    lanes = ["chat", "dense", "chat", "a", "b", "c", "chat", "dense"]
    numbers = [watched.feed.ask(question(lane=lane, profile=Profile(name=lane))) for lane in lanes]
    watched.answered(numbers[-1])
    said = [watched.text(number).partition(":")[0] for number in numbers]
    engines = [1, 2, 1, 3, 4, 5, 1, 6]
    assert said == [f"engine {e}, {lane}" for e, lane in zip(engines, lanes, strict=True)]


@pytest.mark.parametrize(("phase", "reached"), [("prefill", None), ("drafting", Drafted), ("checking", Drafted)])
def test_an_answer_can_be_cancelled_in_every_phase(engine: Make, phase: str, reached: type | None) -> None:
    watched = engine(phase).ready()
    number = watched.feed.ask(question())
    if reached is None:
        time.sleep(0.3)  # no event tells that the prompt is being read
    else:
        watched.until_event(number, reached)
    watched.feed.cancel()
    watched.answered(number)
    assert watched.reason(number) == "cancelled"
    following = watched.feed.ask(question("quick"))
    assert watched.answered(following).text(following) == "Four legs good two legs better"


def test_cancelling_ends_one_answer_not_those_behind_it(engine: Make) -> None:
    watched = engine("prefill").ready()
    first, second, third = (watched.feed.ask(question(prompt)) for prompt in ("wait", "quick", "wait"))
    watched.feed.cancel()
    watched.answered(second)
    watched.feed.cancel()
    watched.answered(third)
    assert [watched.reason(number) for number in (first, second, third)] == ["cancelled", "stop", "cancelled"]


def test_cancelling_nothing_does_nothing(engine: Make) -> None:
    watched = engine("plain")
    watched.feed.cancel()
    watched.ready().feed.cancel()
    number = watched.feed.ask(question())
    watched.answered(number).feed.cancel()
    following = watched.feed.ask(question())
    watched.answered(following)
    assert [watched.reason(n) for n in (number, following)] == ["stop", "stop"]


@pytest.mark.parametrize(("scenario", "reached"), [("fetch", Working), ("slow-load", Loading), ("stuck-load", Loading)])
def test_cancelling_before_the_model_is_ready_ends_the_process(
    engine: Make, scenario: str, reached: type, home: Path
) -> None:
    watched = engine(scenario)
    watched.feed.start()
    watched.until_type(reached)
    pid = pid_of(watched)
    watched.feed.cancel()
    assert watched.until_type(Gone) == Gone("stopped before the model was ready")
    await_death(pid)
    if scenario == "fetch":
        await_death(int((home / "fetching.pid").read_text()))


def test_progress_is_told_ten_times_a_second(engine: Make) -> None:
    watched = engine("fetch")
    watched.feed.start()
    watched.until_type(Working)
    time.sleep(0.6)
    watched.until_type(Working)
    assert 4 <= sum(isinstance(item, Working) for item in watched.items) <= 9


def test_a_killed_process_is_gone_with_a_reason_and_can_be_started_again(engine: Make) -> None:
    watched = engine("killed").ready()
    watched.feed.ask(question())
    assert watched.until_type(Gone) == Gone("the engine was killed, perhaps because memory ran out")
    number = watched.feed.ask(question())
    assert watched.until_type(Problem) == Problem(number, "the engine is not running", "start it again")
    watched.ready()


def test_a_crash_names_the_signal_and_the_log(engine: Make, home: Path) -> None:
    watched = engine("segfault").ready()
    watched.feed.ask(question())
    gone = watched.until_type(Gone)
    assert isinstance(gone, Gone)
    (log,) = (home / "logs").iterdir()
    start = "the engine crashed, Segmentation fault: Fatal Python error: Segmentation fault; see "
    assert gone.reason == f"{start}{log}"
    assert "fake_worker.py" in log.read_text()


def test_what_the_process_prints_is_bounded_and_its_end_is_told(
    engine: Make, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watched = engine("noise").ready()
    watched.feed.ask(question())
    gone = watched.until_type(Gone)
    (log,) = (home / "logs").iterdir()
    assert gone == Gone(f"the engine ended with exit code 7: the last words; see {log}")
    assert log.stat().st_size <= 200_000
    assert log.read_text().endswith("the last words\n")
    assert capfd.readouterr() == ("", "")


def test_a_home_that_cannot_be_written_costs_only_the_log(
    engine: Make, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("SIRIUS_HOME", str(home / "file" / "below"))
    watched = engine("noise").ready()
    watched.feed.ask(question())
    assert watched.until_type(Gone) == Gone("the engine ended with exit code 7: the last words")


def test_a_model_that_cannot_be_had_is_a_problem_and_no_more(engine: Make) -> None:
    watched = engine("broken-load")
    watched.feed.start()
    assert watched.until_type(Problem) == Problem(None, "the weights are torn", "fetch them again")
    number = watched.feed.ask(question())
    watched.until_type(Problem)
    time.sleep(0.5)
    watched.items += watched.feed.drain()
    assert not any(isinstance(item, Gone) for item in watched.items)
    assert watched.items[-1] == Problem(number, "the engine is not running", "start it again")


def test_an_engine_that_cannot_be_started_is_a_problem(home: Path) -> None:
    watched = Watched(EngineProcess(ModelChoice("fake"), Profile(), worker=["/nowhere/python"]))
    watched.feed.start()
    problem = watched.until_type(Problem)
    assert isinstance(problem, Problem)
    assert (problem.question, problem.message) == (None, "cannot start the engine: No such file or directory")


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("out-of-memory", "out of memory"),
        ("bug", "internal error, ZeroDivisionError: a bug of two lines"),
        ("no-template", "fake has no chat template"),
    ],
)
def test_an_answer_that_fails_leaves_the_engine_alive(engine: Make, scenario: str, message: str) -> None:
    watched = engine(scenario).ready()
    for _ in range(2):
        number = watched.feed.ask(question())
        problem = watched.until_type(Problem)
        assert isinstance(problem, Problem)
        assert (problem.question, problem.message) == (number, message)
        assert problem.hint


def test_a_bug_leaves_a_report(engine: Make, home: Path) -> None:
    watched = engine("bug").ready()
    watched.feed.ask(question())
    watched.until_type(Problem)
    (report,) = (home / "logs").glob("bug-*.txt")
    assert "ZeroDivisionError" in report.read_text()


@pytest.mark.parametrize("prompt", ["", "a\udcff"])
def test_a_prompt_that_cannot_be_answered_is_a_problem(engine: Make, prompt: str) -> None:
    watched = engine("plain").ready()
    number = watched.feed.ask(question(prompt))
    problem = watched.until_type(Problem)
    assert isinstance(problem, Problem)
    assert problem.question == number
    following = watched.feed.ask(question())
    assert watched.answered(following).text(following) == "Four legs good two legs better"


def test_ten_thousand_tokens_arrive_in_order(engine: Make) -> None:
    watched = engine("flood").ready()
    number = watched.feed.ask(question())
    watched.answered(number)
    events = [item.event for item in watched.items if isinstance(item, Happened)]
    windows = [event.window for event in events if isinstance(event, Committed)]
    assert windows == list(range(3001))
    assert isinstance(events[0], Prefilled)
    assert isinstance(events[-1], Finished)
    assert watched.text(number) == " word" * 12_000


def test_the_engine_does_not_wait_for_a_front_end_that_sleeps(engine: Make) -> None:
    watched = engine("flood").ready()
    started = time.monotonic()
    number = watched.feed.ask(question())
    assert time.monotonic() - started < 0.1
    time.sleep(1.0)
    assert watched.answered(number).text(number) == " word" * 12_000


@pytest.mark.parametrize("scenario", ["plain", "slow-load", "stuck-load", "prefill"])
def test_closing_is_quick_and_leaves_no_process(engine: Make, scenario: str) -> None:
    watched = engine(scenario)
    watched.feed.start()
    watched.until_type(Loading)
    watched.feed.ask(question())
    pid = pid_of(watched)
    started = time.monotonic()
    watched.feed.close()
    assert time.monotonic() - started < 1.0
    await_death(pid)
    time.sleep(0.1)
    assert not any(isinstance(item, Gone) for item in watched.feed.drain())


def test_starting_again_ends_the_process_before(engine: Make) -> None:
    watched = engine("plain").ready()
    pid = pid_of(watched)
    watched.ready()
    assert pid_of(watched) != pid
    await_death(pid)


PARENT = """
import sys, time
sys.path[:0] = {paths!r}
from feeds import Watched, fake
from sirius_cli.services.feed import Loading
watched = Watched(fake({scenario!r}))
watched.feed.start()
watched.until_type(Loading)
print(watched.feed._link._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("scenario", ["plain", "stuck-load"])
def test_a_parent_that_is_killed_leaves_no_child(home: Path, scenario: str) -> None:
    code = PARENT.format(paths=[str(Path(__file__).parent), str(Path(__file__).parents[1])], scenario=scenario)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    await_death(pid)


def test_ctrl_c_does_not_reach_the_engine(engine: Make) -> None:
    watched = engine("plain").ready()
    assert os.getsid(pid_of(watched)) != os.getsid(0)
    os.kill(pid_of(watched), signal.SIGINT)
    number = watched.feed.ask(question())
    assert watched.answered(number).text(number) == "Four legs good two legs better"


def test_a_line_that_is_no_item_ends_the_engine_with_a_reason(home: Path) -> None:
    code = (
        "import socket, sys, time; s = socket.socket(fileno=int(sys.argv[1])); s.sendall(b'hello\\n'); time.sleep(60)"
    )
    watched = Watched(EngineProcess(ModelChoice("fake"), Profile(), worker=[sys.executable, "-c", code]))
    watched.feed.start()
    pid = pid_of(watched)
    assert watched.until_type(Gone) == Gone("the engine sent what cannot be read, not JSON: 'hello\\n'")
    await_death(pid)


def test_a_line_that_is_no_command_is_a_problem_of_its_question(engine: Make) -> None:
    watched = engine("plain").ready()
    connection = watched.feed._link.channel._connection
    connection.sendall(b'nonsense\n{"kind": "ask", "number": 99}\n')
    problem = watched.until_type(Problem)
    assert isinstance(problem, Problem)
    assert (problem.question, problem.message[:36]) == (99, "the engine cannot read the question:")
    number = watched.feed.ask(question())
    assert watched.answered(number).text(number) == "Four legs good two legs better"


def test_the_parent_loads_no_torch(home: Path) -> None:
    code = f"import {engine_process.__name__}, sys; print([n for n in ('torch', 'numpy', 'numba') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_profiles_may_differ_from_answer_to_answer(engine: Make) -> None:
    watched = engine("profiled").ready()
    dense = Profile(name="dense", draft=DraftSpec(method="dense"))
    alone = Profile(name="alone", correction=CorrectionSpec(enabled=False))
    numbers = [watched.feed.ask(question(profile=profile)) for profile in (dense, alone)]
    watched.answered(numbers[-1])
    assert [watched.text(number).partition(":")[0] for number in numbers] == ["engine 1, dense", "engine 1, alone"]
