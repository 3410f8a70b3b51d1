"""``sirius`` with a fake engine: ``python fake_engine_main.py SCENARIO chat ...``."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from fake_engine import FakeEngine

from sirius_cli.main import main
from sirius_cli.services import session
from sirius_cli.services.models import ResolvedModel


def _hang(word: str) -> None:
    sys.stderr.write(word + "\n")
    sys.stderr.flush()
    time.sleep(30)


def _slow_load() -> FakeEngine:
    _hang("LOADING")
    return FakeEngine()


def _load_that_hides_interrupts() -> FakeEngine:
    try:
        return _slow_load()
    except KeyboardInterrupt:
        raise ImportError("cannot import name 'x'") from None


SCENARIOS: dict[str, Callable[[], FakeEngine]] = {
    "plain": FakeEngine,
    "slow": lambda: FakeEngine(words=[" word"] * 2000, before_window=lambda: time.sleep(0.05)),
    "stuck": lambda: FakeEngine(before_window=lambda: _hang("STUCK")),
    "slow-load": _slow_load,
    "hidden-interrupt": _load_that_hides_interrupts,
    "endless": lambda: FakeEngine(words=[" word"] * 200_000),
    "escapes": lambda: FakeEngine(words=["\x1b]0;owned\x07", "a\tb\n", "\x9b2J", "\r"]),
}


if __name__ == "__main__":
    scenario = SCENARIOS[sys.argv[1]]
    session.find_model = lambda choice, progress: ResolvedModel(choice.model, Path())
    session.load_engine = lambda found, choice, profile, progress: scenario()
    sys.exit(main(sys.argv[2:]))
