"""The engine's process with a fake engine: ``python fake_worker.py SCENARIO FD [--listen PATH]``."""

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from fake_engine import FakeEngine

from sirius_cli.core.events import Checked, Committed, Drafted, Finished, Prefilled, StepEvent
from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import ModelError
from sirius_cli.services import engine_worker, session
from sirius_cli.services.models import ResolvedModel
from sirius_cli.services.progress import Progress, ProgressEvent

Events = Generator[StepEvent, None, None]
PATIENCE = 20.0  # seconds that a scenario waits at most


@dataclass
class Waiting(FakeEngine):
    """Waits in one phase of an answer until the answer is cancelled. A prompt that has "quick" in it is not held up."""

    phase: str = ""

    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False) -> Events:
        if any("quick" in self.tokens.words[i] for i in request.prompt_ids):
            yield from super().generate(request)
            return
        if self.phase == "prefill":
            _wait(cancelled)
            yield Finished(0, 0.1, "cancelled", "")
            return
        yield Prefilled(0, 0.1, len(request.prompt_ids), 0, 0.1)
        yield Committed(0, 0.1, 0, (self._token("One", "prefill"),))
        yield Drafted(0, 0.2, 1, (self.tokens.id_of("two?"),), ("two?",), (0.5,), 0.5, 0.5, 0.05)
        _wait(cancelled)
        if self.phase == "drafting":
            yield Drafted(0, 0.3, 1, (self.tokens.id_of("three?"),), ("three?",), (0.5,), 0.5, 0.5, 0.05)
        yield Checked(0, 0.4, 1, 1, 0, False, 0.05)
        raise AssertionError("the cancelled answer went on")


@dataclass
class Doing(FakeEngine):
    """Does ``deed`` in every answer."""

    deed: Callable[[], None] = lambda: None

    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False) -> Events:
        yield Prefilled(0, 0.1, len(request.prompt_ids), 0, 0.1)
        self.deed()
        yield from super().generate(request)


@dataclass
class Profiled(FakeEngine):
    """Says which engine it is, and what it is asked."""

    name: int = 0

    def twin(self, profile: object) -> "Profiled":
        self.name += 1
        return Profiled(profile=profile, name=self.name)  # type: ignore[arg-type]

    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False) -> Events:
        said = "".join(f" {self.tokens.words[i]}" for i in request.prompt_ids[1:])
        self.words = [f"engine {self.name}, {self.profile.name}:", said]
        return super().generate(request)


def _wait(cancelled: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not cancelled() and time.monotonic() < end:
        time.sleep(0.01)


def _out_of_memory() -> None:
    raise RuntimeError("unable to mmap 5 bytes: Cannot allocate memory (12)")


def _bug() -> None:
    raise ZeroDivisionError("a bug\nof two lines")


def _noise() -> None:
    for number in range(20_000):
        print("line", number)
    os.write(2, b"x" * 300_000)
    print("\nthe last words", flush=True)
    os._exit(7)


def _fetch(progress: Progress) -> None:
    """As fetching does it: with a process that must not be left behind."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        Path(os.environ["SIRIUS_HOME"], "fetching.pid").write_text(str(child.pid))
        try:
            for done in range(int(PATIENCE * 1000)):
                progress(ProgressEvent("Fetching", done, 10**9))
                time.sleep(0.001)
        finally:
            child.kill()


def _load(scenario: str) -> FakeEngine:
    if scenario == "slow-load":
        time.sleep(PATIENCE)
    if scenario == "stuck-load":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(PATIENCE)
    if scenario == "broken-load":
        raise ModelError("the weights are torn", "fetch them again")
    return ENGINES.get(scenario, FakeEngine)()


ENGINES: dict[str, Callable[[], FakeEngine]] = {
    "prefill": lambda: Waiting(phase="prefill"),
    "drafting": lambda: Waiting(phase="drafting"),
    "checking": lambda: Waiting(phase="checking"),
    "profiled": Profiled,
    "flood": lambda: FakeEngine(words=[" word"] * 12_000),
    "killed": lambda: Doing(deed=lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "segfault": lambda: Doing(deed=faulthandler._sigsegv),
    "out-of-memory": lambda: Doing(deed=_out_of_memory),
    "bug": lambda: Doing(deed=_bug),
    "noise": lambda: Doing(deed=_noise),
    "no-template": lambda: _without_template(),
}


def _without_template() -> FakeEngine:
    engine = FakeEngine()
    engine.tokens.has_chat_template = False
    return engine


def _find(choice: session.ModelChoice, progress: Progress) -> ResolvedModel:
    if scenario == "fetch":
        _fetch(progress)
    return ResolvedModel(choice.model, Path())


if __name__ == "__main__":
    scenario = sys.argv.pop(1)
    session.find_model = _find
    session.load_engine = lambda found, choice, profile, progress: _load(scenario)  # type: ignore[assignment]
    engine_worker.main()
