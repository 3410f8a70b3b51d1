"""Fixtures of the services' tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from feeds import Watched, fake

sys.path.append(str(Path(__file__).parents[1] / "cli"))  # where the fake engine is


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIRIUS_DEBUG", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def engine(home: Path) -> Iterator[Callable[..., Watched]]:
    """``engine(scenario)``: a process that has not been started; it is ended after the test."""
    made: list[Watched] = []

    def make(scenario: str, **more: Path) -> Watched:
        made.append(Watched(fake(scenario, **more)))
        return made[-1]

    yield make
    for watched in made:
        watched.feed.close()
