"""Models of which only the shape is real."""

import gc
import mmap
import os
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from sirius_cli.core.events import Committed
from sirius_cli.core.profile import DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine import memory, random_weights
from sirius_cli.engine.engine import Engine
from sirius_cli.engine.models.config import DecoderConfig
from sirius_cli.engine.models.counts import parameter_counts
from sirius_cli.engine.random_weights import random_weights as draw
from sirius_cli.engine.random_weights import shape_config
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services.bench.shapes import SHAPES, find_shape

CPU = torch.device("cpu")
SIZES = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "vocab_size": 300}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 128}


def tiny(kind: str = "llama", **more: Any) -> DecoderConfig:
    return shape_config({"model_type": kind, **SIZES, **HEADS, **more})


def tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from tensors(part)
    elif is_dataclass(value):
        for one in fields(value):
            yield from tensors(getattr(value, one.name))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_parameters_of_its_model(name: str) -> None:
    config = shape_config(SHAPES[name].config)
    assert parameter_counts(config).total == SHAPES[name].parameters
    assert config.heads % config.kv_heads == 0


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no shape 'llama'; known are smollm2-135m"):
        find_shape("llama")


@pytest.mark.parametrize("kind", ["llama", "qwen2", "opt"])
def test_every_parameter_has_memory_of_its_own(kind: str) -> None:
    more = {"ffn_dim": 80, "word_embed_proj_dim": 48} if kind == "opt" else {"tie_word_embeddings": False}
    config = tiny(kind, **more)
    weights = draw(config, "tiny", dtype=torch.float32, device=CPU)
    found = {tensor.data_ptr(): tensor for tensor in tensors(weights)}
    assert sum(tensor.numel() for tensor in found.values()) == parameter_counts(config).total
    assert all(tensor.is_contiguous() for tensor in found.values())
    gate_up = weights.layers[0].mlp.gate_up
    assert float(gate_up.std()) == pytest.approx(0.02, rel=0.1)
    assert not torch.equal(gate_up[0], gate_up[1])


def test_the_same_seed_draws_the_same() -> None:
    first, second, other = (draw(tiny(), "tiny", dtype=torch.float32, device=CPU, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.embedding, second.embedding)
    assert not torch.equal(first.embedding, other.embedding)


def test_more_rows_than_the_block_has_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_weights, "_BLOCK", 400)
    weights = draw(tiny(), "tiny", dtype=torch.float32, device=CPU)
    assert float(weights.embedding.std()) == pytest.approx(0.02, rel=0.3)
    assert bool((weights.embedding != 0).all(-1).all())


def test_memory_that_does_not_suffice_is_told_with_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_weights, "free_bytes", lambda device: 23_100_000_000)
    config = shape_config(SHAPES["llama-3.1-70b"].config)
    reason = r"llama-3\.1-70b in float32 takes 296\.3 GB, and 23\.1 GB are free on cpu; choose a smaller shape or dtype"
    with pytest.raises(EnvironmentProblem, match=reason):
        draw(config, "llama-3.1-70b", dtype=torch.float32, device=CPU)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory._group_bytes() == sys.maxsize
    assert 0 < memory.free_bytes(CPU) < sys.maxsize
    for name, text in {
        "memory.max": "1000",
        "memory.current": "900",
        "memory.stat": "anon 5\ninactive_file 300",
    }.items():
        (tmp_path / name).write_text(text)
    assert memory.free_bytes(CPU) == 400
    (tmp_path / "memory.max").write_text("max")
    assert memory._group_bytes() == sys.maxsize


def test_an_engine_of_random_weights_runs_every_pass_and_writes_tokens_without_words() -> None:
    shape = {"model_type": "llama", **SIZES, **HEADS}
    dense = Profile(draft=DraftSpec(method="dense"))
    engine = Engine.load_random(shape, name="tiny (random weights)", profile=dense, device="cpu", threads=1)
    assert engine.loaded.model == "tiny (random weights)"
    probe = engine.probe(8, 4)
    assert probe.check(4) > 0
    assert probe.draft_step(DraftSpec(method="coarse"), probe.drafts(DraftSpec(method="coarse"))) > 0
    assert probe.cache_bytes == 8 * engine.token_cache_bytes
    prompt = tuple(engine.tokens.encode("some words", special=True))
    events = engine.generate(GenerationRequest(prompt * 4, max_new_tokens=6, ignore_eos=True))
    tokens = [token for event in events if isinstance(event, Committed) for token in event.tokens]
    assert [token.text for token in tokens] == [""] * 6


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak cannot be reset here")
def test_the_peak_of_memory_is_that_since_the_watch_began() -> None:
    from sirius_cli.engine.memory import watch_memory

    gc.collect()  # what earlier tests left must not be freed meanwhile
    before = watch_memory(CPU)()
    peak = watch_memory(CPU)
    assert peak() >= 1_000_000
    # Mapped anew: a tensor may be given memory that earlier tests left to the allocator, which is resident already.
    block = torch.frombuffer(mmap.mmap(-1, 80_000_000), dtype=torch.uint8).fill_(1)
    assert peak() - before > 0.8 * block.nbytes
