"""A converted config is kept, and only for what it was made of."""

import subprocess
import sys

import pytest
from tiny_models import VARIANTS, make_model

from sirius_cli.engine.models import config_cache
from sirius_cli.engine.models.families import convert, read_config


@pytest.fixture
def config_json(tmp_path, monkeypatch):
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def llama():
    return convert(make_model("llama").config)


def refuse():
    raise AssertionError("converted again")


def kept_files(tmp_path):
    return list((tmp_path / "home" / "cache" / "configs").iterdir())


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_kept_is_what_was_made(config_json, name):
    made = convert(make_model(name).config)
    assert config_cache.remembered(config_json, lambda: made) == made
    assert config_cache.remembered(config_json, refuse) == made


def test_another_config_is_made_anew(config_json, llama):
    config_cache.remembered(config_json, lambda: llama)
    config_json.write_text('{"hidden_size": 8}', encoding="utf-8")
    with pytest.raises(AssertionError, match="converted again"):
        config_cache.remembered(config_json, refuse)


def test_another_transformers_is_asked_anew(config_json, llama, monkeypatch):
    config_cache.remembered(config_json, lambda: llama)
    monkeypatch.setattr(config_cache, "version", lambda name: "99")
    with pytest.raises(AssertionError, match="converted again"):
        config_cache.remembered(config_json, refuse)


@pytest.mark.parametrize("damage", [b"", b"{", b"{}", b"\xff"])
def test_a_damaged_file_is_made_again(config_json, llama, tmp_path, damage):
    config_cache.remembered(config_json, lambda: llama)
    [kept] = kept_files(tmp_path)
    kept.write_bytes(damage)
    assert config_cache.remembered(config_json, lambda: llama) == llama
    assert config_cache.remembered(config_json, refuse) == llama
    assert kept_files(tmp_path) == [kept]


def test_a_cache_that_cannot_be_written_is_done_without(config_json, llama, tmp_path):
    (tmp_path / "home").write_text("in the way", encoding="utf-8")
    assert config_cache.remembered(config_json, lambda: llama) == llama


def test_a_kept_config_needs_no_transformers(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path))
    folder, _ = tiny_model("llama")
    read_config(folder)
    code = (
        "import sys; from pathlib import Path; from sirius_cli.engine.models.families import read_config\n"
        "read_config(Path(sys.argv[1])); sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)]).returncode == 0
