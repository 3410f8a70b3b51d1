"""A model of which only the shape is real: how long it takes does not depend on what its weights say."""

from collections.abc import Mapping
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from sirius_cli.engine.memory import free_bytes
from sirius_cli.engine.models.config import DecoderConfig
from sirius_cli.engine.models.counts import parameter_counts
from sirius_cli.engine.models.families import convert
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.engine.tokens import Tokens
from sirius_cli.engine.weights import allocate
from sirius_cli.errors import EnvironmentProblem
from sirius_kernels.block.weights import MlpWeights, Norm

_STD = 0.02
_BLOCK = 1 << 22  # numbers
_STEP = 7  # numbers between the beginnings of two rows: prime, so that rows of a matrix differ
_SPARE = 1.05  # of the weights: caches, activations


def shape_config(shape: Mapping[str, Any]) -> DecoderConfig:
    """The decoder of a transformers config, given as the content of its config.json."""
    from transformers import AutoConfig

    return convert(AutoConfig.for_model(**shape))


def wordless() -> Tokens:
    """Tokens without text: whatever is encoded is one token, number 0."""
    return Tokens(Tokenizer(WordLevel({"": 0}, unk_token="")))


def random_weights(
    config: DecoderConfig, name: str, *, dtype: torch.dtype, device: torch.device, seed: int = 0
) -> DecoderWeights:
    """Parameters for ``config``, every one in memory of its own: normal with sd 0.02, norms of ones.

    Raises:
        EnvironmentProblem: if memory does not suffice; ``name`` says for what.
    """
    need = int(parameter_counts(config).total * dtype.itemsize * _SPARE)
    free = free_bytes(device)
    if need > free:
        kind = str(dtype).removeprefix("torch.")
        message = f"{name} in {kind} takes {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on {device}"
        raise EnvironmentProblem(message, "choose a smaller shape or dtype")
    return _Maker(config, dtype, device, seed).weights()


class _Maker:
    def __init__(self, config: DecoderConfig, dtype: torch.dtype, device: torch.device, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        block = torch.empty(_BLOCK).normal_(std=_STD, generator=generator)
        self._config, self._dtype, self._device = config, dtype, device
        self._block = block.to(device, dtype)

    def weights(self) -> DecoderWeights:
        config = self._config
        embedding = self._draw(config.vocab_size, config.hidden_size)
        head = embedding if config.tied_head else self._draw(config.vocab_size, config.hidden_size)
        places = None
        if config.learned_positions is not None:
            places = self._draw(config.max_positions + config.learned_positions, config.hidden_size)
        layers = tuple(self._layer() for _ in config.layers)
        return DecoderWeights(embedding, places, layers, self._norm(config.names.final_norm), head)

    def _layer(self) -> LayerWeights:
        config, names = self._config, self._config.names
        queries, both = config.heads * config.head_dim, (config.heads + config.kv_heads) * config.head_dim
        rows = both + config.kv_heads * config.head_dim
        return LayerWeights(
            attention_norm=self._norm(names.attention_norm),
            qkv=self._draw(rows, config.hidden_size),
            qkv_bias=self._draw(rows) if config.qkv_bias else None,
            qk_norm=None if config.qk_norm == "none" else self._ones(both).view(-1, config.head_dim),
            out=self._draw(config.hidden_size, queries),
            out_bias=self._draw(config.hidden_size) if config.out_bias else None,
            attention_post_norm=self._norm(names.attention_post_norm),
            mlp_norm=self._norm(names.mlp_norm),
            mlp=self._mlp(),
            mlp_post_norm=self._norm(names.mlp_post_norm),
        )

    def _mlp(self) -> MlpWeights:
        config = self._config
        projections, neurons, width = 2 if config.gated else 1, config.intermediate_size, config.hidden_size
        return MlpWeights(
            gate_up=self._draw(neurons, projections, width),
            bias=self._draw(neurons, projections) if config.mlp_bias else None,
            down_t=self._draw(neurons, width),
            down_bias=self._draw(width) if config.mlp_bias else None,
            activation=config.activation,
        )

    def _norm(self, name: str | None) -> Norm | None:
        config = self._config
        if name is None:
            return None
        weight = self._ones(config.hidden_size) if config.norm_affine else None
        bias = torch.zeros_like(weight) if weight is not None and config.norm == "layer" else None
        return Norm(weight, bias, config.norm_eps, centred=config.norm == "layer")

    def _ones(self, size: int) -> torch.Tensor:
        return torch.ones(size, device=self._device)

    def _draw(self, *shape: int) -> torch.Tensor:
        """Memory filled from the block: row after row, each begins a little further in it."""
        memory = allocate(shape, self._dtype, self._device)
        rows = memory.view(-1, shape[-1])
        at_once = (_BLOCK - shape[-1]) // _STEP
        for first in range(0, len(rows), at_once):
            part = rows[first : first + at_once]
            part.copy_(self._block.as_strided(part.shape, (_STEP, 1)))
        return memory
