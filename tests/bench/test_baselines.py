"""Other programs beside the engine: which are meant, how they load, and why they do not."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from test_speed_measure import FakeTokens

from sirius_cli.core.events import Loaded
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench import baselines
from sirius_cli.services.bench.baselines import Loader, choose, gguf_source
from sirius_cli.services.model_store import MANIFEST
from sirius_cli.services.progress import silent


@dataclass
class FakeTransformers:
    """Fails where it should compile."""

    calls: list[tuple[int, int, str]] = field(default_factory=list)

    def decode(self, ids: Sequence[int], tokens: int, mode: str) -> tuple[list[int], list[float]]:
        self.calls.append((len(ids), tokens, mode))
        if mode == "compiled":
            raise RuntimeError("no compiler\nand a long story")
        return [1] * tokens, [0.1] * tokens


@dataclass
class FakeEngine:
    probes: list[FakeTransformers] = field(default_factory=list)
    threads: int = 3
    tokens: FakeTokens = field(default_factory=FakeTokens)
    loaded: Loaded = field(default_factory=lambda: Loaded("fake", "cpu", "float32", 20, 0.0, {}))

    def transformers(self, folder: Path) -> FakeTransformers:
        self.probes.append(FakeTransformers())
        return self.probes[-1]


class FakeLlama:
    """Writes 5, 6, 7, … for ever; remembers a prompt until it is reset."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.known = 0

    def reset(self) -> None:
        self.known = 0

    def generate(self, ids: list[int], **sampling: Any) -> Iterator[int]:
        assert self.known == 0
        assert sampling == {"temp": 0.0, "repeat_penalty": 1.0}
        self.known = len(ids)
        yield from range(5, 1000)


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A folder that was made from a GGUF file beside it."""
    folder = tmp_path / "converted"
    folder.mkdir()
    (tmp_path / "model.gguf").write_bytes(b"x" * 3_000_000)
    about = {"name": "m", "source": str(tmp_path / "model.gguf"), "sha256": "0", "transformers": "5"}
    (folder / MANIFEST).write_text(json.dumps(about))
    return folder


def test_names_come_from_lists_and_in_one_order() -> None:
    assert choose(["llama-cpp,transformers", "transformers"]) == ("transformers", "llama-cpp")
    assert choose(["all"]) == baselines.NAMES
    assert choose([]) == ()
    with pytest.raises(UsageError, match=r"there is no baseline 'vllm'; give transformers, .* or all"):
        choose(["transformers,vllm"])


def test_one_copy_of_the_weights_serves_all_modes_and_what_fails_is_told() -> None:
    engine = FakeEngine()
    names = ("transformers", "transformers-static", "transformers-compiled")
    ready, missing = Loader(engine, Path("m"), names, (4, 8), (2, 6))(silent)
    (probe,) = engine.probes
    assert probe.calls == [(8, 7, "eager"), (8, 7, "static"), (8, 7, "compiled")]
    assert [(one.name, one.note, one.reads_dense) for one in ready] == [(name, "", True) for name in names[:2]]
    assert [(one.name, one.reason) for one in missing] == [("transformers-compiled", "RuntimeError: no compiler")]
    assert ready[0].decode((1, 2), 3) == ([1] * 3, [0.1] * 3)


def test_llama_cpp_reads_the_file_that_the_model_came_from(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("llama_cpp")
    module.Llama = FakeLlama  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "llama_cpp", module)
    (ready,), missing = Loader(FakeEngine(), converted, ("llama-cpp",), (8,), (6,))(silent)
    assert missing == ()
    assert (ready.reads_dense, ready.note) == (False, "weights as its GGUF file has them, 3 MB")
    ids, arrivals = ready.decode((1, 2, 3), 4)
    assert ids == [5, 6, 7, 8]
    assert arrivals == sorted(arrivals)
    settings = ready.run.args[0].settings  # type: ignore[attr-defined]
    assert settings["model_path"] == str(converted.parent / "model.gguf")
    assert (settings["n_ctx"], settings["n_threads"], settings["n_threads_batch"]) == (15, 3, 3)


def test_llama_cpp_that_is_not_installed_is_told(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    ready, (missing,) = Loader(FakeEngine(), converted, ("llama-cpp",), (8,), (6,))(silent)
    assert ready == ()
    assert missing.reason.startswith("llama-cpp-python cannot be imported")
    assert missing.reason.endswith("; pip install llama-cpp-python")


def test_a_model_without_a_gguf_file_is_told(converted: Path, tmp_path: Path) -> None:
    assert gguf_source(converted, "m") == tmp_path / "model.gguf"
    with pytest.raises(ModelError, match="x does not come from a GGUF file"):
        gguf_source(tmp_path, "x")
    (tmp_path / "model.gguf").unlink()
    with pytest.raises(ModelError, match="the GGUF file of m is not there any more"):
        gguf_source(converted, "m")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose settings would stop it early and punish repetition."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, eos_token_id=list(range(64)),
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config.repetition_penalty = 5.0
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    model.save_pretrained(folder)
    return folder


def test_transformers_writes_the_number_asked_for_and_gives_the_threads_back(checkpoint: Path) -> None:
    import torch

    from sirius_cli.engine.transformers_probe import TransformersProbe

    before = torch.get_num_threads()
    probe = TransformersProbe(checkpoint, dtype=torch.float32, device=torch.device("cpu"), threads=before + 1)
    eager, arrivals = probe.decode([1, 2, 3], 9, "eager")
    assert len(eager) == len(arrivals) == 9
    assert arrivals == sorted(arrivals)
    assert all(token in range(64) for token in eager)
    assert probe.decode([1, 2, 3], 9, "static")[0] == eager
    assert torch.get_num_threads() == before


def test_a_compiled_forward_is_gone_after_its_turn(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from sirius_cli.engine.transformers_probe import TransformersProbe

    compiled, runs = [], []

    def compile_(forward: Any) -> Any:
        compiled.append(forward)

        def run(*arguments: Any, **named: Any) -> Any:
            runs.append(1)
            return forward(*arguments, **named)

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    probe = TransformersProbe(checkpoint, dtype=torch.float32, device=torch.device("cpu"), threads=1)
    ids = probe.decode([1, 2, 3], 4, "compiled")[0]
    assert ids == probe.decode([1, 2, 3], 4, "compiled")[0]
    assert (len(compiled), len(runs)) == (1, 8)
    assert ids == probe.decode([1, 2, 3], 4, "eager")[0]
    assert len(runs) == 8
