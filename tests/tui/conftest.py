"""Fixtures of the dashboard's tests: an app over a fake feed, and pictures of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dashboards import Dashboard, open_dashboard
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from sirius_cli.tui.app import ChatApp


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's settings, themes and conversations, nor a locale without UTF-8."""
    home = tmp_path / "home"
    monkeypatch.setenv("SIRIUS_HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return home


@pytest.fixture
def dashboard() -> Callable[..., Dashboard]:
    """Opens a dashboard over a fake feed."""
    return open_dashboard


class _Svg(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "svg"


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> Callable[[ChatApp], None]:
    """Compares what the app looks like with the picture that was kept. ``--snapshot-update`` keeps a new one."""
    svg = snapshot.use_extension(_Svg)

    def compare(app: ChatApp) -> None:
        # rich names an SVG's classes after a checksum of its content, which would hide what has changed.
        assert re.sub(r"terminal-\d+-", "terminal-", app.export_screenshot(simplify=True)) == svg

    return compare
