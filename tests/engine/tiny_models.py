"""Tiny random transformers models of every supported family: odd sizes, no norm left at 1, no bias at 0."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 101
WINDOW = 7
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 500.0,
}
LINEAR = {"rope_type": "linear", "factor": 3.0, "rope_theta": 10000.0}


@dataclass(frozen=True)
class Variant:
    """One model: a transformers ``model_type`` and what to set in its config beside :data:`SIZES`."""

    family: str
    settings: dict[str, Any] = field(default_factory=dict)


SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 53,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
WIDE = {"head_dim": 10}
SLIDING = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}

VARIANTS: dict[str, Variant] = {
    "llama": Variant("llama"),
    "llama-tied": Variant("llama", {"num_key_value_heads": 6, "tie_word_embeddings": True}),
    "llama-blocks": Variant(  # whole blocks of 4-bit weights, also across the neurons
        "llama", {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 192}
    ),
    "llama-odd-neurons": Variant("llama", {"hidden_size": 128, "num_attention_heads": 4}),  # rows in blocks alone
    "llama-biases": Variant("llama", {"attention_bias": True, "mlp_bias": True, "rope_theta": 500.0}),
    "llama-llama3": Variant("llama", {"rope_parameters": LLAMA3, **WIDE}),
    "llama-linear": Variant("llama", {"rope_parameters": LINEAR}),
    "llama-gelu": Variant("llama", {"hidden_act": "gelu"}),
    "mistral": Variant("mistral", {"sliding_window": WINDOW, **WIDE}),
    "mistral-full": Variant("mistral", {"sliding_window": None}),
    "qwen2": Variant("qwen2"),
    "qwen2-yarn": Variant("qwen2", {"rope_parameters": YARN}),
    "qwen2-sliding": Variant("qwen2", {"use_sliding_window": True, **SLIDING}),
    "qwen3": Variant("qwen3", {**WIDE, "tie_word_embeddings": True}),
    "qwen3-bias": Variant("qwen3", {**WIDE, "attention_bias": True}),
    "gemma2": Variant(
        "gemma2",
        {
            **WIDE,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 7,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
            "tie_word_embeddings": True,
        },
    ),
    "gemma3_text": Variant(
        "gemma3_text",
        {
            **WIDE,
            **SLIDING,
            "query_pre_attn_scalar": 7,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            },
            "tie_word_embeddings": True,
        },
    ),
    "phi3": Variant("phi3"),
    "phi3-partial": Variant(
        "phi3",
        {
            "sliding_window": WINDOW,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.75},
        },
    ),
    "phi3-longrope": Variant(
        "phi3",
        {
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 100.0,
                "short_factor": [1.0, 1.1, 1.3, 1.7],
                "long_factor": [1.0, 2.0, 3.0, 4.0],
            },
        },
    ),
    "olmo2": Variant("olmo2", {"num_key_value_heads": 3}),
    "smollm3": Variant("smollm3", {"no_rope_layers": [1, 0, 1], "tie_word_embeddings": True}),
    "smollm3-sliding": Variant("smollm3", {"use_sliding_window": True, "no_rope_layers": [1, 0, 1], **SLIDING}),
    "granite": Variant(
        "granite",
        {
            "attention_multiplier": 0.3,
            "embedding_multiplier": 5.0,
            "residual_multiplier": 0.4,
            "logits_scaling": 2.5,
            "attention_bias": True,
        },
    ),
    "opt": Variant("opt", {"ffn_dim": 53, "tie_word_embeddings": True}),
    "opt-bare": Variant("opt", {"ffn_dim": 53, "enable_bias": False}),
    "opt-no-affine": Variant("opt", {"ffn_dim": 53, "layer_norm_elementwise_affine": False}),
}
FAMILY_NAMES = tuple(sorted({variant.family for variant in VARIANTS.values()}))


def make_model(name: str, *, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """Build a model of :data:`VARIANTS` in fp32 with eager attention; ``overrides`` replace settings."""
    variant = VARIANTS[name]
    sizes = {name: size for name, size in SIZES.items() if variant.family != "opt" or "key_value" not in name}
    config = AutoConfig.for_model(variant.family, **{**sizes, **variant.settings, **overrides})
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    randomise(model)
    return model.eval()


def randomise(model: PreTrainedModel) -> None:
    """Draw every parameter: matrices keep activations near unit size, norms and biases leave 1 and 0."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.copy_(torch.randn_like(parameter) * 0.3 + (1.0 if name.endswith("weight") else 0.0))
            else:
                parameter.copy_(torch.randn_like(parameter) * 1.4 * parameter.shape[-1] ** -0.5)


def save_model(folder: Path, name: str = "llama", *, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """Make a model and write it to ``folder`` as safetensors with its config."""
    model = make_model(name, seed=seed, **overrides)
    model.save_pretrained(folder)
    return model


def random_tokens(rows: int, length: int, *, seed: int = 0, vocabulary: int = VOCABULARY) -> torch.Tensor:
    """``int64[rows, length]``, reproducible."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, vocabulary, (rows, length), generator=generator)


def reference_logits(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    """Logits of transformers at every position: ``[R, T]`` -> ``fp32[R, T, V]``."""
    with torch.no_grad():
        return model(tokens, use_cache=False).logits.float()


def relative_error(got: torch.Tensor, want: torch.Tensor) -> float:
    """Worst absolute error over the largest magnitude wanted."""
    return float((got - want).abs().max() / want.abs().max())
