"""What the halves of a layer are made of. Plain data; shapes as the single ops have them."""

from dataclasses import dataclass

import torch

from sirius_kernels.contracts import Activation
from sirius_kernels.quant.matrix import Down, Weight


@dataclass(frozen=True, slots=True)
class Norm:
    """LayerNorm if ``centred``, else RMSNorm. ``weight`` and ``bias`` are ``fp32[D]``; None where the norm has none."""

    weight: torch.Tensor | None
    bias: torch.Tensor | None
    eps: float
    centred: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a branch: ``x + multiplier * after(branch(before(x)))``. None: no norm there."""

    before: Norm | None = None
    after: Norm | None = None
    multiplier: float = 1.0


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """``qkv[(H + 2 Hkv) d, D]`` stacks queries, keys and values; ``out[D, H d]``. Biases may be None.

    Scores are multiplied by ``scale``; ``window`` and ``softcap`` are as in :mod:`sirius_kernels.attention.op`.
    """

    qkv: Weight
    qkv_bias: torch.Tensor | None
    out: Weight
    out_bias: torch.Tensor | None
    head_dim: int
    scale: float
    window: int | None
    softcap: float | None


@dataclass(frozen=True, slots=True)
class MlpWeights:
    """Neuron-major: ``gate_up[F, G, D]`` (gate row, then up row; ``G`` is 1 without a gate), ``down_t[F, D]``,
    or the same by outputs in a copy whose passes use all neurons.

    ``bias[F, G]`` and ``down_bias[D]`` are None where the model has none.
    """

    gate_up: Weight
    bias: torch.Tensor | None
    down_t: Down
    down_bias: torch.Tensor | None
    activation: Activation
