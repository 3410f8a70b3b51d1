import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from sirius_cli.errors import ModelError
from sirius_cli.services.model_folder import ModelFacts, check_folder, read_facts
from sirius_cli.services.safetensors_header import read_header

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 64}
TENSORS = {"a": np.zeros((2, 3), np.float32), "b": np.ones(5, np.float32), "c": np.ones(1, np.float16)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path


def shard(folder: Path) -> Path:
    """Split the weights of ``folder`` over two files; returns the index."""
    (folder / "model.safetensors").unlink()
    save_file({"a": TENSORS["a"]}, folder / "one.safetensors")
    save_file({"b": TENSORS["b"]}, folder / "two.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    return index


def test_facts_are_read_from_the_headers(folder: Path) -> None:
    check_folder(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert read_facts(folder) == ModelFacts("LlamaForCausalLM", "llama", 12, "float32", 64, size)


def test_a_nested_text_config_gives_the_context(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 7}}))
    assert read_facts(folder).context == 7


def test_shards_count_together(folder: Path) -> None:
    shard(folder)
    check_folder(folder)
    assert read_facts(folder).parameters == 11


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_a_missing_part_is_named(folder: Path, missing: str, words: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=words):
        check_folder(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_broken_config_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json is not"):
        check_folder(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth"])
def test_pickled_weights_are_refused_with_the_reason(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=rf"only {name}: pickled weights can run any code"):
        check_folder(folder)


def test_a_folder_with_a_gguf_says_to_name_the_file(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "m.gguf")
    with pytest.raises(ModelError, match=r"name the file itself: .*m\.gguf"):
        check_folder(folder)


@pytest.mark.parametrize("sharded", [False, True])
def test_truncated_safetensors_are_named(folder: Path, sharded: bool) -> None:
    if sharded:
        shard(folder)
    path = folder / ("two.safetensors" if sharded else "model.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"{path.name} is truncated"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("weight_map", "words"),
    [
        ({"a": "gone.safetensors"}, r"cannot read .*gone\.safetensors"),
        ({"z": "one.safetensors"}, "lacks the tensor z"),
        ({"a": "../one.safetensors"}, "not a file of the folder"),
        ({}, "no weight_map"),
        ([], "no weight_map"),
    ],
)
def test_a_wrong_index_is_named(folder: Path, weight_map: Any, words: str) -> None:
    shard(folder).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelError, match=words):
        check_folder(folder)


@given(st.integers(min_value=0))
def test_any_shortened_file_is_refused(cut: int) -> None:
    whole = save(TENSORS)
    _refused(whole[: cut % len(whole)])


@given(st.binary(max_size=80))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    _refused(raw)


@pytest.mark.parametrize("header", ["[]", '{"a": 1}', '{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 0]}}'])
def test_a_header_of_another_form_is_refused(header: str) -> None:
    _refused(len(header).to_bytes(8, "little") + header.encode())


def test_bytes_after_the_last_tensor_are_refused() -> None:
    _refused(save(TENSORS) + b"\0")


def _refused(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.safetensors"
        path.write_bytes(raw)
        with pytest.raises(ModelError, match=r"model\.safetensors"):
            read_header(path)
