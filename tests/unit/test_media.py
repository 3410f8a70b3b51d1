"""The recorded run behind the README's pictures is whole, and they can be drawn from it."""

import importlib.util
from pathlib import Path

import pytest

from sirius_cli.core.trace import read_trace

DOCS = Path(__file__).parents[2] / "docs"


def test_the_recorded_run_is_whole_and_small() -> None:
    path = DOCS / "media" / "trace.jsonl"
    trace = read_trace(path)
    assert trace.damage is None
    assert str(Path.home()) not in path.read_text()
    assert path.stat().st_size < 60_000


def test_screenshots_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    spec = importlib.util.spec_from_file_location("make_screenshots", DOCS / "make_screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MEDIA", tmp_path)
    module.main()
    for name, words in {"dashboard.svg": ("effective", "corrected"), "inspector.svg": ("margin", "entropy")}.items():
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        assert all(word in drawn for word in words)
