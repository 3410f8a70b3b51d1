"""One configurable decoder. Read :meth:`Decoder.run` first; what a family lacks is None or 1 in its config."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import torch
from torch.nn import functional

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.config import DecoderConfig, LayerSpec
from sirius_cli.engine.models.layout import DecoderWeights, LayerWeights
from sirius_cli.engine.models.norms import normalise_across_heads_, normalise_heads_
from sirius_cli.engine.models.rope import Rope
from sirius_kernels.attention.tree import depths, roots
from sirius_kernels.block.op import AttentionBlock, MlpBlock, Watch
from sirius_kernels.block.weights import Around, AttentionWeights, Norm
from sirius_kernels.quant.matrix import Down


class MlpRunner(Protocol):
    """How a pass runs its MLPs: adds to ``x[N, D]``, in place. Draft policies are such runners."""

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None: ...


def dense_mlp(layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
    """The whole MLP."""
    block(x)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What the layers of one pass share. ``rotations`` follow the config's ropes."""

    batch: int
    steps: int
    rows: torch.Tensor | None
    start: torch.Tensor
    cache: KVCache
    rotations: tuple[torch.Tensor, ...]
    mlp: MlpRunner
    tree: torch.Tensor | None
    watch: Watch | None


class Decoder:
    """A model ready to run. Holds no state of a text: that is the cache's. ``dtype`` is that of activations."""

    def __init__(self, config: DecoderConfig, weights: DecoderWeights, ops: Ops) -> None:
        self.config = config
        self.weights = weights
        self.ops = ops
        self._blocks = [self._halves(*layer) for layer in zip(config.layers, weights.layers, strict=True)]
        self._ropes = [Rope(spec, weights.embedding.device) for spec in config.ropes]
        # The compiled CPU kernels compute in fp32, whatever weights are stored as.
        self.dtype = torch.float32 if ops.impl == "numba" else weights.embedding.dtype
        # Gemma was trained with its multiplier rounded to the model's dtype.
        self._embedding_multiplier = torch.tensor(config.embedding_multiplier, dtype=self.dtype).item()

    @property
    def itemsize(self) -> int:
        """Bytes of a weight of its matrices."""
        return self.weights.embedding.dtype.itemsize

    @cached_property
    def down_norms(self) -> torch.Tensor:
        """``fp32[L, F]``: the squared norm of each neuron's down row, the weights being native."""
        return torch.stack([_squared_norms(layer.mlp.down_t) for layer in self.weights.layers])

    def run(
        self,
        tokens: torch.Tensor,
        start: torch.Tensor,
        cache: KVCache,
        *,
        rows: torch.Tensor | None = None,
        mlp: MlpRunner = dense_mlp,
        tree: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run ``tokens`` (``int64[R, T]``), at positions ``start[r] + t``, over and into the cache.

        Gives the final hidden states ``[R, T, D]``. ``rows`` (``int64[R]``) are the rows' places in the cache; None:
        ``0..R-1``. Pad shorter rows on the right with any token: what padding leaves in the cache lies beyond its
        row's end, where no token looks before overwriting it. That there is room in the cache is the caller's to see
        to, and lengths are the caller's to move: nothing here waits for the device.

        With a ``tree`` (see :func:`sirius_kernels.attention.op.attention`) tokens are nodes, written from slot
        ``start[r]`` on, and stand as far behind the root as they are deep.
        """
        *_, hidden = self.passing(tokens, start, cache, rows=rows, mlp=mlp, tree=tree)
        return hidden

    def passing(
        self,
        tokens: torch.Tensor,
        start: torch.Tensor,
        cache: KVCache,
        *,
        rows: torch.Tensor | None = None,
        mlp: MlpRunner = dense_mlp,
        tree: torch.Tensor | None = None,
        watch: Watch | None = None,
    ) -> Iterator[torch.Tensor]:
        """:meth:`run`, pausing behind every layer: what comes last is its result.

        ``watch`` is shown what the projections of every layer's attention are multiplied with.
        """
        batch, steps = tokens.shape
        positions = (
            start[:, None] + torch.arange(steps, device=start.device)
            if tree is None
            else roots(start, tree)[:, None] + depths(tree)
        )
        turns = tuple(rope.rotations(positions) for rope in self._ropes)
        step = _Pass(batch, steps, rows, start, cache, turns, mlp, tree, watch)
        x = self._embed(tokens, positions).view(batch * steps, -1)
        for layer in range(len(self._blocks)):
            self._layer(layer, x, step)
            yield x
        if (norm := self.weights.final_norm) is not None:
            x = self.ops.normalise(x, norm.weight, norm.bias, eps=norm.eps, centred=norm.centred)
        yield x.view(batch, steps, -1)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: final hidden states ``[N, D]`` -> ``fp32[N, V]``."""
        logits = self.ops.linear(hidden, self.weights.head, fp32=True)
        if self.config.logits_divisor != 1.0:
            logits = logits / self.config.logits_divisor
        cap = self.config.logits_softcap
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def _embed(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        x = functional.embedding(tokens, self.weights.embedding).to(self.dtype)
        if self.config.embedding_multiplier != 1.0:
            x = x * self._embedding_multiplier
        if self.weights.positions is not None and self.config.learned_positions is not None:
            # Padding may stand beyond the table's end; texts end before it.
            known = (positions + self.config.learned_positions).clamp(max=len(self.weights.positions) - 1)
            x = x + functional.embedding(known, self.weights.positions)
        return x

    def _layer(self, layer: int, x: torch.Tensor, step: _Pass) -> None:
        """Add the branches of attention and of the MLP to ``x[N, D]``, in place."""
        attention, mlp = self._blocks[layer]
        rope = self.config.layers[layer].rope
        turns = None if rope is None else step.rotations[rope]
        k, v = step.cache.k[layer], step.cache.v[layer]
        attention(x, step.batch, turns, k, v, step.rows, step.start, step.tree, step.watch)
        step.mlp(layer, x, mlp, self.ops)

    def _halves(self, spec: LayerSpec, weights: LayerWeights) -> tuple[AttentionBlock, MlpBlock]:
        config = self.config
        found = AttentionWeights(
            weights.qkv, weights.qkv_bias, weights.out, weights.out_bias, config.head_dim, config.attention_scale,
            spec.window, config.attention_softcap,
        )  # fmt: skip
        adjust = None if weights.qk_norm is None else partial(self._normalise_qk_, weights.qk_norm)
        around = self._around(weights.attention_norm, weights.attention_post_norm)
        attention = AttentionBlock(found, around, self.ops.impl, adjust)
        return attention, MlpBlock(weights.mlp, self._around(weights.mlp_norm, weights.mlp_post_norm), self.ops.impl)

    def _around(self, before: Norm | None, after: Norm | None) -> Around:
        return Around(before, after, self.config.residual_multiplier)

    def _normalise_qk_(self, weight: torch.Tensor, qkv: torch.Tensor) -> None:
        heads, both, eps = self.config.heads, self.config.heads + self.config.kv_heads, self.config.norm_eps
        if self.config.qk_norm == "head":
            normalise_heads_(qkv[:, :, :both], weight, eps)
        else:
            normalise_across_heads_(qkv[:, :, :heads], weight[:heads], eps)
            normalise_across_heads_(qkv[:, :, heads:both], weight[heads:], eps)


def _squared_norms(rows: Down) -> torch.Tensor:
    assert isinstance(rows, torch.Tensor)
    norms: torch.Tensor = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float32)
    return norms.square()
