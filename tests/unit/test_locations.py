from pathlib import Path

import pytest

from sirius_cli.config import locations

PLACES = [locations.home, locations.models_dir, locations.config_dir, locations.profiles_dir, locations.cache_dir]


@pytest.mark.parametrize("place", PLACES)
def test_sirius_home_moves_all_state_and_nothing_is_created(
    place: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    monkeypatch.setenv("SIRIUS_HOME", str(own))
    assert place().is_relative_to(own)  # type: ignore[operator]
    assert not own.exists()


def test_a_relative_home_does_not_depend_on_a_later_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIRIUS_HOME", "here")
    assert locations.home() == tmp_path / "here"


@pytest.mark.parametrize("unset", ["", None])
def test_without_sirius_home_the_platform_decides(
    unset: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SIRIUS_HOME", raising=False)
    if unset is not None:
        monkeypatch.setenv("SIRIUS_HOME", unset)
    assert locations.models_dir().is_relative_to(tmp_path)
    assert "sirius" in locations.profiles_dir().parts
