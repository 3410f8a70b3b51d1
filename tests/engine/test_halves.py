"""Weights that stay in the 16 bits that they are stored in, on a CPU: what is computed is fp32 all the same."""

import json

import pytest
import torch
from engines import DENSE, generate, ids_of, letters, profile, prompt
from safetensors.torch import load_file, save_file
from tiny_models import make_model

from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.drafts.making import quantise
from sirius_cli.engine.drafts.quantised import CopyFormat
from sirius_cli.engine.engine import Engine
from sirius_cli.engine.models.families import read_config
from sirius_cli.engine.weights import stored_dtype
from sirius_kernels.cpu_halves import make_block, make_products, make_sums, make_unpack
from sirius_kernels.cpu_llvm import KINDS

REQUEST = GenerationRequest(prompt(12), max_new_tokens=40)
NAMES = ("llama-biases", "gemma2", "qwen3", "opt", "phi3", "llama-blocks")


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    def make(name, kind):
        folder = tmp_path_factory.mktemp(name)
        make_model(name).to(kind).save_pretrained(folder)
        letters()._tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


def load(folder, dtype):
    return Engine.load(folder, name="tiny", profile=DENSE, device="cpu", dtype=dtype, threads=1)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_that_of_fp32_weights(name, kind, folder_of):
    kept, wide = (load(folder_of(name, kind), dtype) for dtype in ("auto", "float32"))
    assert kept.model.weights.embedding.dtype is kept.model.weights.layers[0].mlp.down_t.dtype is kind
    assert wide.model.weights.embedding.dtype is torch.float32
    assert kept.weight_bytes * 2 == wide.weight_bytes
    assert kept.loaded.dtype == f"float32, weights {str(kind).removeprefix('torch.')}"
    for chosen in (DENSE, profile("coarse", accept="exact", window=5), profile("fine", accept="exact", window=20)):
        expected, got = (generate(engine, chosen, REQUEST) for engine in (wide, kept))
        assert ids_of(got) == ids_of(expected)
        assert len(ids_of(got)) > 20


def test_a_draft_reads_more_of_what_is_half_as_large(folder_of):
    folder = folder_of("llama-blocks", torch.bfloat16)
    kept, wide = (load(folder, dtype) for dtype in ("auto", "float32"))
    for engine in (kept, wide):
        engine.profile = profile("dense", precision="int4")
    assert kept.draft_sizes.gate_up == 2 * wide.draft_sizes.gate_up
    copies = [quantise(engine.model, CopyFormat(4, 32)) for engine in (kept, wide)]
    assert torch.equal(copies[0].head.codes, copies[1].head.codes)
    assert torch.equal(copies[0].layers[1].gate_up.codes, copies[1].layers[1].gate_up.codes)


def test_matrices_of_several_kinds_become_fp32(folder_of):
    folder = folder_of("llama-biases", torch.bfloat16)
    config = read_config(folder)
    assert stored_dtype(folder, config) is torch.bfloat16
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.o_proj.weight"] = tensors["model.layers.0.self_attn.o_proj.weight"].half()
    save_file(tensors, folder / "model.safetensors")
    assert stored_dtype(folder, config) is None
    assert load(folder, "auto").loaded.dtype == "float32"


def test_too_little_memory_is_judged_by_what_is_stored(folder_of, monkeypatch):
    folder = folder_of("llama-blocks", torch.bfloat16)
    engine = load(folder, "auto")
    enough = 3 * engine.counts.total
    monkeypatch.setattr("sirius_cli.engine.drafts.quantised.free_bytes", lambda device: enough)
    assert load(folder, "auto").weight_bytes < enough
    with pytest.raises(Exception, match="the weights need"):
        load(folder, "float32")
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.parametrize("make", [make_products, make_sums, make_block, make_unpack])
def test_kernels_of_a_kind_are_found_again_by_the_next_process(make):
    """Numba looks for them by what they close over: objects made anew in every process would never be found."""
    kernel = make(KINDS.index("bfloat16"))
    held = [cell.cell_contents for cell in kernel._pyfunc.__closure__ or ()]
    assert held == [KINDS.index("bfloat16")]
