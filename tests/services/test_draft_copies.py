"""Quantised copies on disk: made once, used again, rebuilt where they are torn, gone with their model."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from sirius_cli.engine.backend import torch_ops
from sirius_cli.engine.drafts.making import quantise
from sirius_cli.engine.drafts.quantised import CopyFormat
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.random_weights import random_weights, shape_config
from sirius_cli.engine.tokens import Tokens
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services import model_store
from sirius_cli.services.draft_copies import StoredCopies, kept_copies
from sirius_cli.services.models import plan_removal, remove

FOUND = CopyFormat(8, 32)


INT4 = CopyFormat(4, 32)
SHAPE = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "vocab_size": 300, "max_position_embeddings": 64,
}  # fmt: skip


def native(seed: int = 0) -> Decoder:
    config = shape_config(SHAPE)
    weights = random_weights(config, "tiny", dtype=torch.float32, device=torch.device("cpu"), seed=seed)
    return Decoder(config, weights, torch_ops())


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    save_file({"a": torch.ones(3)}, model / "model.safetensors")
    return model


def stages(told):
    return [event.stage for event in told]


def test_a_copy_is_made_once(folder, home):
    told = []
    first = StoredCopies(folder, told.append)(native(), FOUND)
    assert set(stages(told)) == {"Rounding the weights to int8 once"}
    assert told[-1].done == told[-1].total > 0
    told.clear()
    again = StoredCopies(folder, told.append)(native(), FOUND)
    assert not told
    assert torch.equal(first.head.codes, again.head.codes)
    assert not list(home.rglob("staging/*"))


def test_what_rounding_lost_is_kept_with_the_copy(folder):
    assert kept_copies(folder) == ()
    StoredCopies(folder, lambda event: None)(native(), FOUND)
    (copy,) = kept_copies(folder)
    assert (copy.name, len(copy.losses["gate_up"]), len(copy.losses["head"])) == ("float32-int8-g32-v2", 2, 1)
    assert all(0 < loss < 0.02 for each in copy.losses.values() for loss in each)
    assert copy.size_bytes > 0


@pytest.mark.parametrize("by_neuron", [True, False])
def test_four_bits_are_rounded_by_a_text(by_neuron, folder, monkeypatch):
    letters = WordLevel({chr(i): i for i in range(300)}, unk_token="?")
    tokenizer = Tokenizer(letters)
    tokenizer.pre_tokenizer = Split("", "isolated")
    monkeypatch.setattr(Tokens, "load", lambda place: Tokens(tokenizer) if place == folder else None)
    found = replace(INT4, by_neuron=by_neuron)
    copy, plain = StoredCopies(folder, lambda event: None)(native(), found), quantise(native(), found)
    assert not torch.equal(copy.head.codes, plain.head.codes)
    down, by_itself = copy.layers[0].down_t, plain.layers[0].down_t
    assert by_neuron == torch.equal(getattr(down, "rows", down).codes, getattr(by_itself, "rows", by_itself).codes)
    (kept,) = kept_copies(folder)
    assert all(0 < loss < 0.2 for each in kept.losses.values() for loss in each)


def test_a_changed_model_gets_another(folder):
    StoredCopies(folder, lambda event: None)(native(), FOUND)
    save_file({"a": torch.ones(4)}, folder / "model.safetensors")
    told = []
    StoredCopies(folder, told.append)(native(1), FOUND)
    assert stages(told)[0] == "Rounding the weights to int8 once"


def test_a_torn_copy_is_made_anew_and_told_once(folder, home):
    first = StoredCopies(folder, lambda event: None)(native(), FOUND)
    (file,) = home.rglob("layer-001.safetensors")
    file.write_bytes(b"torn")
    told = []
    again = StoredCopies(folder, told.append)(native(), FOUND)
    assert stages(told).count("The int8 copy on disk is damaged, and is made anew") == 1
    assert torch.equal(first.head.codes, again.head.codes)


def test_what_fails_midway_leaves_nothing(folder, home, monkeypatch):
    def fail(event):
        if event.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StoredCopies(folder, fail)(native(), FOUND)
    assert not list(home.rglob("*.safetensors"))


def test_a_full_disk_is_told_before_the_work(folder, monkeypatch):
    monkeypatch.setattr(model_store.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(EnvironmentProblem, match="not enough disk space to keep the int8 copy") as refused:
        StoredCopies(folder, lambda event: None)(native(), FOUND)
    assert refused.value.hint.endswith("or do without a copy: --draft-precision native, or --profile sirius")


def test_a_folder_that_cannot_be_written_to_is_told_with_a_way_out(folder, home):
    home.write_text("no folder")
    with pytest.raises(EnvironmentProblem, match="cannot write to") as refused:
        StoredCopies(folder, lambda event: None)(native(), FOUND)
    assert refused.value.hint.endswith("or do without a copy: --draft-precision native, or --profile sirius")


def test_copies_go_with_models_rm(folder, home):
    StoredCopies(folder, lambda event: None)(native(), FOUND)
    removal = plan_removal(str(folder))
    assert removal.size_bytes > 0
    remove(removal)
    assert not list(home.rglob("*.safetensors"))
    assert (folder / "model.safetensors").exists()
