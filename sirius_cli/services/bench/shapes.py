"""Shapes of public models, as their config.json on the Hugging Face Hub has them, for measurements without weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sirius_cli.core.profile import Profile
from sirius_cli.errors import UsageError
from sirius_cli.services.session import Engine, ModelChoice


@dataclass(frozen=True, slots=True)
class Shape:
    """``source`` is the repository whose config.json this is; ``parameters`` counts a tied LM head once."""

    source: str
    parameters: int
    config: Mapping[str, Any] = field(repr=False)


def find_shape(name: str) -> Shape:
    """The shape of this name.

    Raises:
        UsageError: if there is none.
    """
    if name not in SHAPES:
        raise UsageError(f"there is no shape {name!r}", f"known are {', '.join(SHAPES)}")
    return SHAPES[name]


def load_random(name: str, shape: Shape, choice: ModelChoice, profile: Profile) -> Engine:
    """A model of this shape without words, its weights random, placed as ``choice`` says. torch is imported here.

    Raises:
        EnvironmentProblem: if a device is missing or memory does not suffice.
    """
    from sirius_cli.engine.engine import Engine as TorchEngine

    engine = TorchEngine.load_random(
        shape.config,
        name=f"{name} (random weights)",
        profile=profile,
        device=choice.device,
        dtype=choice.dtype,
        threads=choice.threads,
    )
    return cast(Engine, engine)


def _config(
    kind: str, width: int, neurons: int, layers: int, heads: tuple[int, int], words: int, **more: Any
) -> dict[str, Any]:
    """``heads`` are those of queries and of keys."""
    return {
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": neurons,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": words,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        **more,
    }


def _llama3(width: int, neurons: int, layers: int, heads: tuple[int, int], factor: float, tied: bool) -> dict[str, Any]:
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": factor, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    return _config(
        "llama", width, neurons, layers, heads, 128256,
        max_position_embeddings=131072, rms_norm_eps=1e-5, rope_parameters=rope, tie_word_embeddings=tied,
    )  # fmt: skip


def _qwen2(
    width: int, neurons: int, layers: int, heads: tuple[int, int], words: int = 151936, tied: bool = True
) -> dict[str, Any]:
    return _config(
        "qwen2", width, neurons, layers, heads, words,
        max_position_embeddings=32768, rms_norm_eps=1e-6, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    )  # fmt: skip


def _smollm2(width: int, neurons: int, layers: int, heads: tuple[int, int], theta: float) -> dict[str, Any]:
    return _config(
        "llama", width, neurons, layers, heads, 49152,
        max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )  # fmt: skip


_MISTRAL = _config(
    "mistral", 4096, 14336, 32, (32, 8), 32768,
    max_position_embeddings=32768, rms_norm_eps=1e-5, sliding_window=None,
    rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
)  # fmt: skip

SHAPES: Mapping[str, Shape] = {
    "smollm2-135m": Shape(
        "HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008, _smollm2(576, 1536, 30, (9, 3), 100000.0)
    ),
    "smollm2-360m": Shape(
        "HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120, _smollm2(960, 2560, 32, (15, 5), 100000.0)
    ),
    "smollm2-1.7b": Shape(
        "HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_376_384, _smollm2(2048, 8192, 24, (32, 32), 130000.0)
    ),
    "qwen2.5-0.5b": Shape("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, _qwen2(896, 4864, 24, (14, 2))),
    "qwen2.5-1.5b": Shape("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304, _qwen2(1536, 8960, 28, (12, 2))),
    "qwen2.5-3b": Shape("Qwen/Qwen2.5-3B-Instruct", 3_085_938_688, _qwen2(2048, 11008, 36, (16, 2))),
    "qwen2.5-7b": Shape("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512, _qwen2(3584, 18944, 28, (28, 4), 152064, False)),
    "llama-3.2-1b": Shape(
        "meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400, _llama3(2048, 8192, 16, (32, 8), 32.0, True)
    ),
    "llama-3.2-3b": Shape(
        "meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, _llama3(3072, 8192, 28, (24, 8), 32.0, True)
    ),
    "llama-3.1-8b": Shape(
        "meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248, _llama3(4096, 14336, 32, (32, 8), 8.0, False)
    ),
    "llama-3.1-70b": Shape(
        "meta-llama/Llama-3.1-70B-Instruct", 70_553_706_496, _llama3(8192, 28672, 80, (64, 8), 8.0, False)
    ),
    "mistral-7b": Shape("mistralai/Mistral-7B-Instruct-v0.3", 7_248_023_552, _MISTRAL),
}
