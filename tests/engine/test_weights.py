"""Loading: layout, dtypes, shards, memory, and broken checkpoints."""

import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_decoders import in_pieces, load
from tiny_models import VARIANTS, random_tokens, reference_logits, relative_error, save_model

from sirius_cli.engine import weights as weights_module
from sirius_cli.engine.models.counts import parameter_counts
from sirius_cli.engine.models.families import convert, read_config
from sirius_cli.engine.weights import allocate, load_weights
from sirius_cli.errors import EnvironmentProblem, ModelError

CPU = torch.device("cpu")


def load_tiny(folder, dtype=torch.float32):
    return load_weights(folder, read_config(folder), dtype=dtype)


def rewrite(folder, change):
    """Apply ``change`` to the tensors of a single-file checkpoint."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path, "llama-biases")
    return tmp_path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_mlp_is_neuron_major(folder, dtype):
    stored = load_file(folder / "model.safetensors")
    mlp = load_tiny(folder, dtype).layers[1].mlp
    for slot, name in enumerate(("gate_proj", "up_proj")):
        assert torch.equal(mlp.gate_up[:, slot], stored[f"model.layers.1.mlp.{name}.weight"].to(dtype))
        assert torch.equal(mlp.bias[:, slot], stored[f"model.layers.1.mlp.{name}.bias"].to(dtype))
    assert torch.equal(mlp.down_t, stored["model.layers.1.mlp.down_proj.weight"].t().to(dtype))
    assert torch.equal(mlp.down_bias, stored["model.layers.1.mlp.down_proj.bias"].to(dtype))
    assert mlp.gate_up.is_contiguous()
    assert mlp.down_t.is_contiguous()


def test_a_fused_checkpoint_gives_the_same_layout(tiny_model):
    folder, _ = tiny_model("phi3")
    stored = load_file(folder / "model.safetensors")
    mlp = load_tiny(folder).layers[0].mlp
    gate, up = stored["model.layers.0.mlp.gate_up_proj.weight"].chunk(2)
    assert torch.equal(mlp.gate_up, torch.stack((gate, up), dim=1))


def test_a_tied_head_is_the_embedding(tiny_model):
    tied = load_tiny(tiny_model("llama-tied")[0])
    assert tied.head is tied.embedding
    untied = load_tiny(tiny_model("llama")[0])
    assert untied.head.data_ptr() != untied.embedding.data_ptr()


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float64])
def test_stored_dtypes_are_cast(folder, stored):
    before = load_tiny(folder)
    rewrite(folder, lambda tensors: tensors.update({name: t.to(stored) for name, t in tensors.items()}))
    after = load_tiny(folder)
    assert after.layers[0].qkv.dtype is torch.float32
    assert torch.equal(after.layers[0].qkv, before.layers[0].qkv.to(stored).float())
    assert torch.equal(after.layers[0].mlp.down_t, before.layers[0].mlp.down_t.to(stored).float())


def test_shards_load_like_one_file(tmp_path):
    model = save_model(tmp_path / "one", "granite")
    model.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 3
    tokens = random_tokens(1, 6)
    got = in_pieces(load(tmp_path / "many"), tokens, [6])
    assert torch.equal(got, in_pieces(load(tmp_path / "one"), tokens, [6]))
    assert relative_error(got, reference_logits(model, tokens)) <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_allocated_memory_is_aligned_and_shaped(dtype):
    for shape in ((1,), (3, 5), (7, 2, 3)):
        tensor = allocate(shape, dtype, CPU)
        assert (tuple(tensor.shape), tensor.dtype) == (shape, dtype)
        assert tensor.is_contiguous()
        assert tensor.data_ptr() % 64 == 0
        assert torch.equal(tensor.fill_(1.5), torch.full(shape, 1.5, dtype=dtype))


def test_running_out_of_memory_is_an_environment_problem():
    with pytest.raises(EnvironmentProblem, match="out of memory on cpu"):
        allocate((2**50,), torch.float32, CPU)


def test_every_parameter_is_allocated_once(folder, monkeypatch):
    sizes = []

    def counting(shape, dtype, device):
        tensor = allocate(shape, dtype, device)
        sizes.append(tensor.numel())
        return tensor

    monkeypatch.setattr(weights_module, "allocate", counting)
    config = read_config(folder)
    load_tiny(folder)
    norms = (2 * len(config.layers) + 1) * config.hidden_size
    assert sum(sizes) == parameter_counts(config).total - norms


_PEAK = """
import pickle, sys
from pathlib import Path
import torch
from sirius_cli.engine.weights import load_weights

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

torch.set_num_threads(1)
config = pickle.load(sys.stdin.buffer)
before = peak()
weights = load_weights(Path(sys.argv[1]), config, dtype=torch.float32)
sys.stdout.write(str(peak() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_has_no_double_peak(tmp_path):
    """Resident memory, mapped file pages included, grows by the weights and about a layer (a tenth) of the file."""
    sizes = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 10}
    model = save_model(tmp_path, "llama", tie_word_embeddings=True, **sizes)
    command = [sys.executable, "-c", _PEAK, str(tmp_path)]
    config = pickle.dumps(read_config(tmp_path))
    growth = int(subprocess.run(command, input=config, capture_output=True, check=True).stdout)
    assert 0.9 <= growth / (4 * model.num_parameters()) <= 1.3


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_agree_with_transformers(name, tiny_model):
    _, model = tiny_model(name)
    config = convert(model.config)
    counts = parameter_counts(config)
    assert counts.total == model.num_parameters()
    layer = model.get_decoder().layers[0]
    linears = {
        key.rsplit(".", 1)[-1]: part.weight.numel()
        for key, part in layer.named_modules()
        if isinstance(part, torch.nn.Linear)
    }
    fused = linears.get("gate_up_proj", 0)
    assert counts.gate == linears.get("gate_proj", fused // 2)
    assert counts.up == linears.get("up_proj", linears.get("fc1", fused // 2))
    assert counts.down == linears.get("down_proj", linears.get("fc2"))
    assert counts.layers == len(model.get_decoder().layers)
    embedding = model.get_input_embeddings().weight.numel()
    positions = sum(p.numel() for key, p in model.named_parameters() if "embed_positions" in key)
    assert counts.total - counts.read == positions + (0 if config.tied_head else embedding)
    small = sum(p.numel() for p in model.parameters() if p.dim() == 1)
    assert counts.read - counts.matrices == small
    assert counts.out == linears.get("o_proj", linears.get("out_proj"))
    assert counts.qkv == linears.get("qkv_proj", sum(linears.get(f"{part}_proj", 0) for part in "qkv"))


def test_a_folder_without_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has no weights"):
        load_tiny(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights \(pytorch_model.bin\)"):
        load_tiny(folder)


@pytest.mark.parametrize("keep", [0, 4, 500, -100])
def test_a_truncated_file(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short"):
        load_tiny(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), r"1 tensors missing \(model.norm.weight\)"),
        (lambda tensors: tensors.update(extra=torch.ones(1)), r"1 tensors unexpected \(extra\)"),
        (
            lambda tensors: tensors.update({"model.norm.weight": torch.ones(5)}),
            r"1 tensors misshapen \(model.norm.weight \[5\] instead of \[48\]\)",
        ),
        (
            lambda tensors: tensors.update({"model.norm.weight": torch.ones(48, dtype=torch.int8)}),
            r"1 tensors of a type that is not supported \(model.norm.weight I8\)",
        ),
        (
            lambda tensors: [tensors.pop(name) for name in list(tensors) if "layers.1." in name],
            r"tensors missing \(.*, …\)",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(ModelError, match=message):
        load_tiny(folder)


def test_buffers_of_old_checkpoints_and_a_stored_tied_head_are_let_pass(tmp_path):
    save_model(tmp_path, "llama-tied")
    before = load_tiny(tmp_path)
    buffer = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    rewrite(tmp_path, lambda tensors: tensors.update(buffer, **{"lm_head.weight": before.head.clone()}))
    assert torch.equal(load_tiny(tmp_path).head, before.head)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "index.json is damaged"),
        ('{"weight_map": []}', "index.json is damaged"),
        (json.dumps({"weight_map": {"a": "gone.safetensors"}}), "gone.safetensors cannot be read"),
        (json.dumps({"weight_map": {"a": "../model.safetensors"}}), "points outside its folder"),
    ],
)
def test_a_broken_index(folder, index, message):
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_tiny(folder)
