"""How many parameters a model has and a step reads: the ground of density and effective read."""

import math
from dataclasses import dataclass

from sirius_cli.engine.models.config import DecoderConfig
from sirius_cli.engine.models.layout import tensor_shapes


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Numbers of parameters; multiply by the size of an element for bytes.

    ``total`` has the embeddings, and a tied LM head once. ``gate`` (0 without one), ``up`` and ``down`` are the
    matrices of one layer's MLP, of which there are ``layers``. ``read`` is what one dense step reads: everything
    but the embedding and position tables, which are looked up; a tied head is read as the head. ``matrices`` is the
    part of it that is not norms and biases.
    """

    total: int
    layers: int
    gate: int
    up: int
    down: int
    read: int
    matrices: int


def parameter_counts(config: DecoderConfig) -> ParameterCounts:
    """Count the parameters that a checkpoint of ``config`` holds."""
    shapes = tensor_shapes(config)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    looked_up = sizes.get(config.names.positions or "", 0)
    if not config.tied_head:
        looked_up += sizes[config.names.embedding]
    matrix = config.hidden_size * config.intermediate_size
    gate = matrix if config.gated else 0
    small = sum(sizes[name] for name, shape in shapes.items() if len(shape) == 1)
    read = total - looked_up
    return ParameterCounts(total, len(config.layers), gate, matrix, matrix, read, read - small)
