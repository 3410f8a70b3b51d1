"""How many parameters a model has and a step reads: the ground of density and effective read."""

import math
from dataclasses import dataclass

from sirius_cli.engine.models.config import DecoderConfig
from sirius_cli.engine.models.layout import tensor_shapes


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Numbers of parameters; multiply by the size of an element for bytes.

    ``total`` has the embeddings, and a tied LM head once. ``qkv``, ``out``, ``gate`` (0 without one), ``up`` and
    ``down`` are the matrices of one layer, of which there are ``layers``. ``read`` is what one dense step reads:
    everything but the embedding and position tables, which are looked up; a tied head is read as the ``head``.
    """

    total: int
    read: int
    head: int
    layers: int
    qkv: int
    out: int
    gate: int
    up: int
    down: int

    @property
    def matrices(self) -> int:
        """The part of ``read`` that is not norms and biases."""
        return self.head + self.layers * (self.qkv + self.out + self.gate + self.up + self.down)


def parameter_counts(config: DecoderConfig) -> ParameterCounts:
    """Count the parameters that a checkpoint of ``config`` holds."""
    shapes = tensor_shapes(config)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    looked_up = sizes.get(config.names.positions or "", 0)
    if not config.tied_head:
        looked_up += sizes[config.names.embedding]
    width, read = config.hidden_size, total - looked_up
    queries, others = config.head_dim * config.heads, 2 * config.head_dim * config.kv_heads
    matrix = width * config.intermediate_size
    return ParameterCounts(
        total, read, head=width * config.vocab_size, layers=len(config.layers), qkv=width * (queries + others),
        out=width * queries, gate=matrix if config.gated else 0, up=matrix, down=matrix,
    )  # fmt: skip
