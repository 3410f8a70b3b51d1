"""``sirius chat --web``: what it refuses, and that a browser's tab asks the shared engine."""

from pathlib import Path

import pytest

from sirius_cli import main as entry
from sirius_cli.cli import browser
from sirius_cli.services import web
from sirius_cli.services.shared_engine import SharedEngine
from sirius_cli.services.web_address import ENGINE_SOCKET
from sirius_cli.tui import run
from sirius_cli.tui.run import Opening


@pytest.fixture(autouse=True)
def no_tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(ENGINE_SOCKET, raising=False)


@pytest.mark.parametrize(
    "more", [["--inline"], ["--cast", "a.cast"], ["--screenshot", "a.svg"], ["--replay", "trace.jsonl"]]
)
def test_only_live_dashboards_are_served(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["chat", "--web", *more]) == 2
    assert "--web opens live dashboards" in capsys.readouterr().err


def test_a_port_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("textual_serve")
    assert entry.main(["chat", "--web", "--port", "70000"]) == 2
    assert "port cannot be 70000" in capsys.readouterr().err


def test_a_tab_has_the_options_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[list[str]] = []
    monkeypatch.setattr("sys.argv", ["sirius", "chat", "--web", "--profile", "sirius", "--keep", "0.3"])
    monkeypatch.setattr(web, "serve", lambda engine_at, tab, port, tell: served.append(list(tab)))
    assert entry.main(["chat", "--web", "--profile", "sirius", "--keep", "0.3"]) == 0
    assert served[0][-7:] == ["sirius_cli", "chat", "--web", "--profile", "sirius", "--keep", "0.3"]


def test_a_tab_opens_the_dashboard_over_the_shared_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, Opening]] = []
    monkeypatch.setenv(ENGINE_SOCKET, str(tmp_path / "engine"))
    monkeypatch.setattr(run, "run_chat", lambda feed, opening: opened.append((feed, opening)))
    assert browser.engine_of_tab() == tmp_path / "engine"
    assert entry.main(["chat", "--web", "--profile", "sirius", "--keep", "0.3"]) == 0
    ((feed, opening),) = opened
    assert isinstance(feed, SharedEngine)
    assert opening.setup.resolved.profile.draft.keep == 0.3
