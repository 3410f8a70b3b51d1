"""The command line in this process, with a fake engine and its own home."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from sirius_cli import main as entry
from sirius_cli.services import session
from sirius_cli.services.models import ResolvedModel


@dataclass(frozen=True)
class Result:
    """What a run came to. ``choice`` is what was asked to be loaded; None if it never came to that."""

    code: int
    out: str
    err: str
    choice: session.ModelChoice | None


Run = Callable[..., Result]


@pytest.fixture
def chat_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIRIUS_DEBUG", raising=False)
    return tmp_path / "home"


@pytest.fixture
def run_chat(chat_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run_chat(*arguments, engine=..., stdin=bytes)`` runs ``sirius chat`` without a terminal."""

    def run(*arguments: str, engine: FakeEngine | BaseException | None = None, stdin: bytes = b"") -> Result:
        loaded: list[session.ModelChoice] = []
        chosen = engine or FakeEngine()

        def load(found: ResolvedModel, choice: session.ModelChoice, profile: object, progress: object) -> FakeEngine:
            loaded.append(choice)
            if isinstance(chosen, BaseException):
                raise chosen
            chosen.profile = profile  # type: ignore[assignment]
            return chosen

        monkeypatch.setattr(session, "find_model", lambda choice, progress: ResolvedModel(choice.model, Path()))
        monkeypatch.setattr(session, "load_engine", load)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = entry.main(["chat", *arguments])
        out, err = capsys.readouterr()
        return Result(code, out, err, loaded[0] if loaded else None)

    return run
