"""From a transformers config to a :class:`DecoderConfig`: one small function a family."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sirius_cli.engine.models.config import DecoderConfig, LayerSpec, RopeSpec, TensorNames
from sirius_cli.engine.models.config_cache import remembered
from sirius_cli.errors import ModelError
from sirius_kernels.contracts import Activation

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
_SCALED_ROPES = ("linear", "llama3", "longrope", "yarn")


def read_config(folder: Path) -> DecoderConfig:
    """Read ``folder/config.json``. Raises ``ModelError`` where it is missing, broken or of an unsupported model."""
    raw = _read_json(folder / "config.json")
    family = str(raw.get("model_type"))
    if family not in FAMILIES:
        architecture = ", ".join(map(str, raw.get("architectures") or ())) or "unknown architecture"
        supported = ", ".join(sorted(FAMILIES))
        raise ModelError(f"{folder} holds a '{family}' model ({architecture})", f"supported are {supported}")
    if raw.get("quantization_config"):
        raise ModelError(f"{folder} holds quantised weights", "use the checkpoint that it was made from, or its GGUF")
    return remembered(folder / "config.json", lambda: convert(_read_source(folder, family)))


def _read_source(folder: Path, family: str) -> "PretrainedConfig":
    # Imported only where it is needed: these take seconds.
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        source: PretrainedConfig = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder / 'config.json'} is not a valid '{family}' config: {reason}") from error
    return source


def convert(source: "PretrainedConfig") -> DecoderConfig:
    """Describe the model of a transformers config. Raises ``ModelError`` for a variant that the decoder lacks."""
    if getattr(source, "use_bidirectional_attention", None):
        raise ModelError(f"this '{source.model_type}' model attends to later tokens", "it cannot write text")
    config = FAMILIES[source.model_type](source)
    rotated = {2 * len(rope.inverse_frequencies) for rope in config.ropes}
    if config.heads % config.kv_heads or config.head_dim % 2 or len(rotated) > 1:
        shape = f"{config.heads} heads, {config.kv_heads} key-value heads, {config.head_dim} dimensions a head"
        raise ModelError(f"this '{config.family}' model has attention of a shape that is not supported ({shape})")
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path.parent} has no config.json", "a model folder has one beside its weights") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "fetch the model again") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path} is not a JSON object", "fetch the model again")
    return raw


def _llama(source: "PretrainedConfig") -> DecoderConfig:
    return _standard(source, **_biases(source), mlp_bias=source.mlp_bias)


def _mistral(source: "PretrainedConfig") -> DecoderConfig:
    return _standard(source, layers=_layers([source.sliding_window] * source.num_hidden_layers))


def _qwen2(source: "PretrainedConfig") -> DecoderConfig:
    return _standard(source, qkv_bias=True, layers=_layers(_windows(source)))


def _qwen3(source: "PretrainedConfig") -> DecoderConfig:
    return _standard(source, **_biases(source), qk_norm="head", layers=_layers(_windows(source)))


def _gemma2(source: "PretrainedConfig") -> DecoderConfig:
    return _gemma(source, layers=_layers(_windows(source)))


def _gemma3(source: "PretrainedConfig") -> DecoderConfig:
    kinds = ("full_attention", "sliding_attention")
    layers = tuple(
        LayerSpec(window, kinds.index(kind)) for window, kind in zip(_windows(source), source.layer_types, strict=True)
    )
    return _gemma(source, qk_norm="head", layers=layers, ropes=tuple(_rope(source, kind) for kind in kinds))


def _gemma(source: "PretrainedConfig", **differences: Any) -> DecoderConfig:
    names = TensorNames(
        attention_post_norm="post_attention_layernorm",
        mlp_norm="pre_feedforward_layernorm",
        mlp_post_norm="post_feedforward_layernorm",
    )
    return _standard(
        source,
        attention_scale=source.query_pre_attn_scalar**-0.5,
        attention_softcap=source.attn_logit_softcapping if source.model_type == "gemma2" else None,
        logits_softcap=source.final_logit_softcapping,
        embedding_multiplier=source.hidden_size**0.5,
        norm_offset=1.0,
        names=names,
        **_biases(source),
        **differences,
    )


def _phi3(source: "PretrainedConfig") -> DecoderConfig:
    names = TensorNames(qkv=("self_attn.qkv_proj",), gate_up=("mlp.gate_up_proj",))
    layers = _layers([source.sliding_window] * source.num_hidden_layers)
    return _standard(source, layers=layers, names=names)


def _olmo2(source: "PretrainedConfig") -> DecoderConfig:
    names = TensorNames(
        attention_norm=None,
        attention_post_norm="post_attention_layernorm",
        mlp_norm=None,
        mlp_post_norm="post_feedforward_layernorm",
    )
    return _standard(source, **_biases(source), qk_norm="full", names=names)


def _smollm3(source: "PretrainedConfig") -> DecoderConfig:
    layers = tuple(
        LayerSpec(window if source.use_sliding_window else None, 0 if has_rope else None)
        for window, has_rope in zip(_windows(source), source.no_rope_layers, strict=False)
    )
    return _standard(source, **_biases(source), mlp_bias=source.mlp_bias, layers=layers)


def _granite(source: "PretrainedConfig") -> DecoderConfig:
    return _standard(
        source,
        **_biases(source),
        mlp_bias=source.mlp_bias,
        attention_scale=source.attention_multiplier,
        embedding_multiplier=source.embedding_multiplier,
        residual_multiplier=source.residual_multiplier,
        logits_divisor=source.logits_scaling,
    )


def _opt(source: "PretrainedConfig") -> DecoderConfig:
    if not source.do_layer_norm_before or source._remove_final_layer_norm:
        raise ModelError("this OPT model normalises after its layers", "only do_layer_norm_before is supported")
    if source.word_embed_proj_dim != source.hidden_size:
        raise ModelError("this OPT model projects its word embeddings", "sizes other than 350m do not")
    names = TensorNames(
        embedding="model.decoder.embed_tokens.weight",
        positions="model.decoder.embed_positions.weight",
        final_norm="model.decoder.final_layer_norm",
        layer="model.decoder.layers.{}.",
        attention_norm="self_attn_layer_norm",
        out="self_attn.out_proj",
        mlp_norm="final_layer_norm",
        gate_up=("fc1",),
        down="fc2",
    )
    return _common(
        source,
        intermediate_size=source.ffn_dim,
        layers=(LayerSpec(rope=None),) * source.num_hidden_layers,
        gated=False,
        norm="layer",
        norm_eps=1e-5,
        norm_affine=source.layer_norm_elementwise_affine,
        qkv_bias=source.enable_bias,
        out_bias=source.enable_bias,
        mlp_bias=source.enable_bias,
        learned_positions=2,
        names=names,
    )


FAMILIES: "dict[str, Callable[[PretrainedConfig], DecoderConfig]]" = {
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "granite": _granite,
    "llama": _llama,
    "mistral": _mistral,
    "olmo2": _olmo2,
    "opt": _opt,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "smollm3": _smollm3,
}


def _standard(source: "PretrainedConfig", **differences: Any) -> DecoderConfig:
    """A Llama, but for ``differences``."""
    fields: dict[str, Any] = {
        "intermediate_size": source.intermediate_size,
        "norm_eps": source.rms_norm_eps,
        "layers": (LayerSpec(),) * source.num_hidden_layers,
    } | differences
    if "ropes" not in fields:
        fields["ropes"] = (_rope(source),)
    return _common(source, **fields)


def _common(source: "PretrainedConfig", **differences: Any) -> DecoderConfig:
    """What all families name alike, and ``differences``."""
    head_dim = _head_dim(source)
    fields: dict[str, Any] = {
        "family": source.model_type,
        "vocab_size": source.vocab_size,
        "hidden_size": source.hidden_size,
        "heads": source.num_attention_heads,
        "kv_heads": getattr(source, "num_key_value_heads", source.num_attention_heads),
        "head_dim": head_dim,
        "max_positions": _max_positions(source),
        "activation": _activation(source),
        "attention_scale": head_dim**-0.5,
        "tied_head": source.tie_word_embeddings,
    }
    return DecoderConfig(**(fields | differences))


def _head_dim(source: "PretrainedConfig") -> int:
    return int(getattr(source, "head_dim", None) or source.hidden_size // source.num_attention_heads)


def _biases(source: "PretrainedConfig") -> dict[str, bool]:
    return {"qkv_bias": source.attention_bias, "out_bias": source.attention_bias}


def _activation(source: "PretrainedConfig") -> Activation:
    keys = ("hidden_act", "hidden_activation", "activation_function")
    name = next(getattr(source, key) for key in keys if hasattr(source, key))
    if name not in _ACTIVATIONS:
        raise ModelError(f"the model's activation '{name}' is not supported", f"known are {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _windows(source: "PretrainedConfig") -> list[int | None]:
    """The sliding window of each layer, by its type."""
    by_type = {"full_attention": None, "sliding_attention": source.sliding_window}
    kinds = source.layer_types
    unknown = sorted(set(kinds) - set(by_type))
    if unknown:
        raise ModelError(f"layers of type '{unknown[0]}' are not supported", f"known are {', '.join(by_type)}")
    if len(kinds) != source.num_hidden_layers:
        raise ModelError(f"config.json names {len(kinds)} layer types for {source.num_hidden_layers} layers")
    return [by_type[kind] for kind in kinds]


def _layers(windows: list[int | None]) -> tuple[LayerSpec, ...]:
    return tuple(LayerSpec(window) for window in windows)


def _max_positions(source: "PretrainedConfig") -> int:
    """The context. LongRoPE's second set of frequencies, beyond its original context, is not supported."""
    rope = getattr(source, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        return int(rope["original_max_position_embeddings"])
    return int(source.max_position_embeddings)


def _rope(source: "PretrainedConfig", layer_type: str | None = None) -> RopeSpec:
    """The frequencies of one set of rotary positions, by the rule that the config names."""
    parameters = source.rope_parameters[layer_type] if layer_type else source.rope_parameters
    rope_type = parameters["rope_type"]
    if rope_type == "default":
        return RopeSpec(_frequencies(parameters["rope_theta"], _rotated(source, parameters)))
    if rope_type not in _SCALED_ROPES:
        known = ", ".join(("default", *_SCALED_ROPES))
        raise ModelError(f"rotary positions of type '{rope_type}' are not supported", f"known are {known}")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    frequencies, scaling = ROPE_INIT_FUNCTIONS[rope_type](source, torch.device("cpu"), layer_type=layer_type)
    return RopeSpec(tuple(frequencies.tolist()), float(scaling))


def _rotated(source: "PretrainedConfig", parameters: dict[str, Any]) -> int:
    share = parameters.get("partial_rotary_factor", 1.0) if source.model_type == "phi3" else 1.0
    return int(_head_dim(source) * share)


def _frequencies(theta: float, rotated: int) -> tuple[float, ...]:
    """``theta ** (-2 i / rotated)``, in fp32 as every reference implementation has them."""
    exponents = torch.arange(0, rotated, 2, dtype=torch.float32) / rotated
    return tuple((1.0 / theta**exponents).tolist())
