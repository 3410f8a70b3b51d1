"""The parameters of a decoder in memory, and the tensors that a checkpoint must have to fill them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sirius_cli.engine.models.config import DecoderConfig
from sirius_kernels.block.weights import MlpWeights, Norm
from sirius_kernels.quant.matrix import Weight

Shape = tuple[int, ...]
Shapes = dict[str, Shape]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer. ``qkv[(H + 2 Hkv) d, D]`` stacks queries, keys, values; ``out[D, H d]``.

    Rotated dimensions of queries and keys lie in adjacent pairs ``(2i, 2i + 1)``, not in halves as in checkpoints.
    ``qk_norm`` is ``fp32[H + Hkv, d]``, in the same order.
    """

    attention_norm: Norm | None
    qkv: Weight
    qkv_bias: torch.Tensor | None
    qk_norm: torch.Tensor | None
    out: Weight
    out_bias: torch.Tensor | None
    attention_post_norm: Norm | None
    mlp_norm: Norm | None
    mlp: MlpWeights
    mlp_post_norm: Norm | None


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All parameters. ``embedding[V, D]`` and ``head[V, D]`` are one tensor where the model ties them."""

    embedding: torch.Tensor
    positions: torch.Tensor | None
    layers: tuple[LayerWeights, ...]
    final_norm: Norm | None
    head: Weight


def tensor_shapes(config: DecoderConfig) -> Shapes:
    """Name and shape of every tensor that the checkpoint of ``config`` must have."""
    shapes = _outer_shapes(config)
    inner = _attention_shapes(config) | _mlp_shapes(config) | _layer_norm_shapes(config)
    for index in range(len(config.layers)):
        prefix = config.names.layer.format(index)
        shapes |= {prefix + name: shape for name, shape in inner.items()}
    return shapes


def _outer_shapes(config: DecoderConfig) -> Shapes:
    names, width = config.names, config.hidden_size
    shapes = {names.embedding: (config.vocab_size, width)} | _norm_shapes(config, names.final_norm)
    if not config.tied_head:
        shapes[names.head] = (config.vocab_size, width)
    if names.positions is not None and config.learned_positions is not None:
        shapes[names.positions] = (config.max_positions + config.learned_positions, width)
    return shapes


def _attention_shapes(config: DecoderConfig) -> Shapes:
    names, width = config.names, config.hidden_size
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    shapes = _linear_shapes(names.qkv, (queries, keys, keys), width, config.qkv_bias)
    shapes |= _linear_shapes((names.out,), (width,), queries, config.out_bias)
    if config.qk_norm == "head":
        shapes |= {f"{names.q_norm}.weight": (config.head_dim,), f"{names.k_norm}.weight": (config.head_dim,)}
    elif config.qk_norm == "full":
        shapes |= {f"{names.q_norm}.weight": (queries,), f"{names.k_norm}.weight": (keys,)}
    return shapes


def _mlp_shapes(config: DecoderConfig) -> Shapes:
    names, width, neurons = config.names, config.hidden_size, config.intermediate_size
    shapes = _linear_shapes(names.gate_up, (neurons,) * (2 if config.gated else 1), width, config.mlp_bias)
    return shapes | _linear_shapes((names.down,), (width,), neurons, config.mlp_bias)


def _layer_norm_shapes(config: DecoderConfig) -> Shapes:
    names = config.names
    shapes: Shapes = {}
    for name in (names.attention_norm, names.attention_post_norm, names.mlp_norm, names.mlp_post_norm):
        shapes |= _norm_shapes(config, name)
    return shapes


def _norm_shapes(config: DecoderConfig, name: str | None) -> Shapes:
    if name is None or not config.norm_affine:
        return {}
    parts = ("weight", "bias") if config.norm == "layer" else ("weight",)
    return {f"{name}.{part}": (config.hidden_size,) for part in parts}


def _linear_shapes(names: Sequence[str], rows: Sequence[int], columns: int, bias: bool) -> Shapes:
    sizes = rows if len(names) == len(rows) else (sum(rows),)
    shapes: Shapes = {}
    for name, size in zip(names, sizes, strict=True):
        shapes[f"{name}.weight"] = (size, columns)
        if bias:
            shapes[f"{name}.bias"] = (size,)
    return shapes
