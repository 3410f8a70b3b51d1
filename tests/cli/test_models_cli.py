"""``sirius models``, as its Typer application."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from sirius_cli.cli.models import app
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services import models
from sirius_cli.services.builtin_model import SMOLLM2
from sirius_cli.services.draft_copies import KeptCopy
from sirius_cli.services.hub_model import CachedModel
from sirius_cli.services.model_store import Manifest, ModelStore, key_of, write_manifest

run = CliRunner()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(models, "cached_models", list)
    return ModelStore(tmp_path / "home" / "models")


def make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"a": np.zeros((2, 3), np.float32)}, folder / "model.safetensors")
    return folder


def convert(store: ModelStore, sha256: str, name: str, source: str) -> Path:
    folder = make_folder(store.converted(sha256))
    write_manifest(folder, Manifest(name, source, sha256, "5"))
    return folder


def test_list_shows_builtins_conversions_and_the_hub_cache(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = convert(store, "ab" * 32, "x/model.gguf", "/some/x/model.gguf")
    monkeypatch.setattr(models, "cached_models", lambda: [CachedModel("owner/name", tmp_path, 7)])
    document = json.loads(run.invoke(app, ["list", "--json"]).stdout)
    assert document["schema_version"] == 1
    builtin, own, hub = document["models"]
    assert builtin == {
        "name": "builtin:smollm2",
        "source": "SmolLM2-135M-Instruct, Apache-2.0",
        "state": "not fetched",
        "size_bytes": 0,
        "path": None,
    }
    assert own["path"] == own["name"] == str(converted)
    assert hub["name"] == "owner/name"
    lines = run.invoke(app, ["list"]).stdout.splitlines()
    assert lines[0].split() == ["MODEL", "STATE", "SIZE", "SOURCE"]
    assert [line.split()[0] for line in lines[1:]] == ["builtin:smollm2", str(converted), "owner/name"]


def test_the_state_of_the_builtin_follows_its_files(store: ModelStore) -> None:
    def state() -> str:
        return str(json.loads(run.invoke(app, ["list", "--json"]).stdout)["models"][0]["state"])

    store.builtin("smollm2").parent.mkdir(parents=True)
    store.builtin("smollm2").touch()
    assert state() == "fetched"
    convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    assert state() == "ready"


def test_show_names_the_folder_in_use(store: ModelStore) -> None:
    folder = convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    document = json.loads(run.invoke(app, ["show", "--json"]).stdout)
    assert document["path"] == str(folder)
    assert document["parameters"] == 6
    assert (document["dtype"], document["context"], document["model_type"]) == ("float32", 64, "llama")
    text = run.invoke(app, ["show", str(folder)]).stdout
    assert f"path          {folder}\n" in text


def test_show_tells_what_copies_lost(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    kept = KeptCopy("float32-int8-g64-v1", 2_000_000, {"head": [0.005], "qkv": [0.006, 0.0075]})
    monkeypatch.setattr(models, "kept_copies", lambda path: (kept,))
    document = json.loads(run.invoke(app, ["show", "--json"]).stdout)
    assert document["copies"] == [asdict(kept)]
    line = "copy          float32-int8-g64-v1, 2 MB; rounding lost 0.5 to 0.75 % of a matrix, most of qkv of layer 1"
    assert line in run.invoke(app, ["show"]).stdout


def test_a_damaged_conversion_says_how_to_make_it_anew(store: ModelStore) -> None:
    folder = convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    (folder / "model.safetensors").write_bytes(b"cut")
    for command in ("show", "pull"):
        error = run.invoke(app, [command]).exception
        assert isinstance(error, ModelError)
        assert "is truncated" in str(error)
        assert "run `sirius models rm builtin:smollm2` and then pull it again" in str(error)
    assert run.invoke(app, ["rm", "builtin:smollm2", "--yes"]).exit_code == 0


def test_show_fetches_nothing(store: ModelStore) -> None:
    error = run.invoke(app, ["show"]).exception
    assert isinstance(error, ModelError)
    assert "run `sirius models pull builtin:smollm2`" in str(error)
    assert not store.root.exists()


def test_pull_reports_on_stderr_and_describes_on_stdout(store: ModelStore, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    result = run.invoke(app, ["pull", str(folder), "--json"])
    assert json.loads(result.stdout)["model"] == "mine"
    assert result.stderr == ""


def test_pull_offline_of_an_absent_model_fails(store: ModelStore) -> None:
    assert isinstance(run.invoke(app, ["pull", "--offline"]).exception, ModelError)
    assert isinstance(run.invoke(app, ["pull"], env={"SIRIUS_OFFLINE": "1"}).exception, ModelError)


def test_rm_removes_all_that_was_made_for_a_model(store: ModelStore) -> None:
    folder = convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    store.builtin("smollm2").parent.mkdir(parents=True)
    store.builtin("smollm2").write_bytes(b"12345")
    size = 5 + sum(path.stat().st_size for path in folder.iterdir())
    document = json.loads(run.invoke(app, ["rm", "builtin:smollm2", "--yes", "--json"]).stdout)
    assert document["freed_bytes"] == size
    assert document["removed"] == [str(folder), str(store.builtin("smollm2").parent)]
    assert [path for part in ("builtin", "converted", "staging") for path in (store.root / part).glob("*")] == []


def test_rm_takes_a_folder_of_the_list(store: ModelStore) -> None:
    folder = convert(store, "ab" * 32, "x/model.gguf", "gone.gguf")
    assert folder.name == key_of("ab" * 32)
    assert run.invoke(app, ["rm", str(folder), "--yes"]).exit_code == 0
    assert not folder.exists()


@pytest.mark.parametrize(("answer", "stays"), [("y\n", False), ("n\n", True)])
def test_rm_asks_on_a_terminal(store: ModelStore, monkeypatch: pytest.MonkeyPatch, answer: str, stays: bool) -> None:
    folder = convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    monkeypatch.setattr("sirius_cli.cli.terminal.is_terminal", lambda stream: stream is sys.stdin)
    result = run.invoke(app, ["rm", "builtin:smollm2"], input=answer)
    assert "Remove builtin:smollm2" in result.stderr
    assert result.exit_code == 0
    assert folder.exists() is stays


def test_rm_refuses_without_a_terminal_and_without_yes(store: ModelStore) -> None:
    folder = convert(store, SMOLLM2.sha256, "builtin:smollm2", "x")
    error = run.invoke(app, ["rm", "builtin:smollm2"]).exception
    assert isinstance(error, UsageError)
    assert "give --yes" in str(error)
    assert folder.exists()


def test_rm_leaves_what_others_made(store: ModelStore, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    mine = run.invoke(app, ["rm", str(folder), "--yes"]).exception
    assert isinstance(mine, UsageError)
    assert folder.exists()
    hub = run.invoke(app, ["rm", "owner/name", "--yes"]).exception
    assert isinstance(hub, UsageError)
    assert "`hf cache rm model/owner/name`" in str(hub)
    nothing = run.invoke(app, ["rm", "builtin:smollm2", "--yes"]).exception
    assert isinstance(nothing, ModelError)


def test_control_characters_in_names_do_not_reach_a_terminal(store: ModelStore, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "evil\x1b[2J\nname")
    result = run.invoke(app, ["show", str(folder)])
    assert "\x1b" not in result.stdout
    assert result.stdout.count("\n") == 8
