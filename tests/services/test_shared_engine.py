"""One process, several front ends."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from feeds import CHOICE, Watched, question

from sirius_cli.core.events import Drafted
from sirius_cli.core.profile import Profile
from sirius_cli.services.feed import Gone, Loading, Problem
from sirius_cli.services.session import ModelChoice
from sirius_cli.services.shared_engine import SharedEngine

Make = Callable[..., Watched]
ANSWER = "Four legs good two legs better"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "engine.sock"


@pytest.fixture
def guest(place: Path) -> Iterator[Callable[[], Watched]]:
    """``guest()``: another front end of the engine at ``place``."""
    made: list[Watched] = []

    def make() -> Watched:
        made.append(Watched(SharedEngine(CHOICE, Profile(), place)))
        return made[-1]

    yield make
    for watched in made:
        watched.feed.close()


def test_guests_use_the_model_that_is_loaded(engine: Make, guest: Make, place: Path) -> None:
    owner = engine("profiled", listen=place).ready()
    for name, tab in enumerate([owner, guest().ready(), guest().ready()], start=1):
        number = tab.feed.ask(question())
        assert tab.answered(number).text(number).startswith(f"engine {name},")
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_a_guest_that_comes_while_the_model_is_loaded_is_told_so(engine: Make, guest: Make, place: Path) -> None:
    owner = engine("slow-load", listen=place)
    owner.feed.start()
    owner.until_type(Loading)
    tab = guest()
    tab.feed.start()
    tab.until_type(Loading)
    tab.feed.cancel()
    assert tab.until_type(Gone) == Gone("left before the model was ready")
    owner.feed.cancel()
    assert owner.until_type(Gone) == Gone("stopped before the model was ready")


def test_a_long_answer_does_not_keep_a_tab_from_taking_its_question_back(
    engine: Make, guest: Make, place: Path
) -> None:
    owner = engine("drafting", listen=place).ready()
    tab = guest().ready()
    long = owner.feed.ask(question())
    owner.until_event(long, Drafted)
    number = tab.feed.ask(question("quick"))
    tab.feed.cancel()
    tab.until(lambda item: True)
    assert tab.reason(number) == "cancelled"
    second = tab.feed.ask(question("quick"))
    owner.feed.cancel()
    assert tab.answered(second).text(second) == ANSWER
    assert owner.answered(long).reason(long) == "cancelled"


def test_a_tab_that_is_closed_frees_the_engine(engine: Make, guest: Make, place: Path) -> None:
    owner = engine("drafting", listen=place).ready()
    tab = guest().ready()
    tab.until_event(tab.feed.ask(question()), Drafted)
    number = owner.feed.ask(question("quick"))
    tab.feed.close()
    assert owner.answered(number).text(number) == ANSWER


def test_guests_learn_that_the_owner_has_ended_the_engine(engine: Make, guest: Make, place: Path) -> None:
    owner, tab = engine("plain", listen=place).ready(), guest().ready()
    owner.feed.close()
    assert tab.until_type(Gone) == Gone("the shared engine has ended")
    tab.feed.start()
    problem = tab.until_type(Problem)
    assert isinstance(problem, Problem)
    assert problem.message == f"no engine listens at {place}"


def test_another_model_is_refused(engine: Make, place: Path) -> None:
    engine("plain", listen=place).ready()
    tab = Watched(SharedEngine(ModelChoice("another"), Profile(), place))
    tab.feed.start()
    problem = tab.until_type(Problem)
    assert isinstance(problem, Problem)
    assert problem.message == "the shared engine holds fake, not another as it was asked for"


def test_a_visitor_that_talks_nonsense_is_shown_out(engine: Make, place: Path) -> None:
    owner = engine("plain", listen=place).ready()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(place))
        visitor.settimeout(10)
        visitor.sendall(b"GET / HTTP/1.1\n")
        assert b"not JSON" in visitor.makefile("rb").read()
    number = owner.feed.ask(question())
    assert owner.answered(number).text(number) == ANSWER


def test_a_folder_that_is_open_to_others_is_refused(engine: Make, place: Path) -> None:
    place.parent.mkdir(mode=0o755)
    owner = engine("plain", listen=place)
    owner.feed.start()
    problem = owner.until_type(Problem)
    assert isinstance(problem, Problem)
    assert problem == Problem(None, f"the folder {place.parent} is open to others", f"run `chmod 700 {place.parent}`")


def test_a_path_that_is_too_long_is_refused(engine: Make, tmp_path: Path) -> None:
    owner = engine("plain", listen=tmp_path / ("long" * 40) / "engine.sock")
    owner.feed.start()
    problem = owner.until_type(Problem)
    assert isinstance(problem, Problem)
    assert problem.message.startswith("cannot listen at ")


def test_the_socket_goes_with_the_engine(engine: Make, place: Path) -> None:
    owner = engine("plain", listen=place).ready()
    assert place.is_socket()
    owner.feed.close()
    end = time.monotonic() + 5
    while place.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
