"""What differs between decoders, as plain data. :mod:`families` fills it from a transformers config."""

from dataclasses import dataclass, field
from typing import Literal

from sirius_kernels.contracts import Activation

NormKind = Literal["rms", "layer"]
QkNorm = Literal["none", "head", "full"]


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary positions: pair ``i`` turns by ``position * inverse_frequencies[i]`` radians and grows by ``scaling``.

    Dimensions beyond ``2 * len(inverse_frequencies)`` of a head stay as they are.
    """

    inverse_frequencies: tuple[float, ...]
    scaling: float = 1.0


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """What one layer may have of its own: a sliding ``window``, and which of the model's ropes (None: no positions)."""

    window: int | None = None
    rope: int | None = 0


@dataclass(frozen=True, slots=True)
class TensorNames:
    """Names in the checkpoint. Names below ``layer`` are relative to it; None means that the model has no such part.

    ``qkv`` and ``gate_up`` list their parts in order; one name stands for a checkpoint that stores them as one.
    """

    embedding: str = "model.embed_tokens.weight"
    positions: str | None = None
    final_norm: str | None = "model.norm"
    head: str = "lm_head.weight"
    layer: str = "model.layers.{}."
    attention_norm: str | None = "input_layernorm"
    qkv: tuple[str, ...] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    q_norm: str = "self_attn.q_norm"
    k_norm: str = "self_attn.k_norm"
    out: str = "self_attn.o_proj"
    attention_post_norm: str | None = None
    mlp_norm: str | None = "post_attention_layernorm"
    gate_up: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    down: str = "mlp.down_proj"
    mlp_post_norm: str | None = None


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """One decoder-only transformer. Multipliers scale, softcaps are ``tanh(x / cap) * cap``, None switches off.

    ``attention_scale`` multiplies the scores. ``norm_offset`` is added to stored norm weights (Gemma stores w - 1).
    ``qk_norm`` normalises queries and keys head by head or over all heads. ``learned_positions`` is the offset into
    the table of learned positions. ``max_positions`` is the longest text the model was made for, in tokens.
    """

    family: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: tuple[LayerSpec, ...]
    max_positions: int
    activation: Activation
    norm_eps: float
    attention_scale: float
    tied_head: bool
    ropes: tuple[RopeSpec, ...] = ()
    gated: bool = True
    norm: NormKind = "rms"
    norm_offset: float = 0.0
    norm_affine: bool = True
    qk_norm: QkNorm = "none"
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    attention_softcap: float | None = None
    logits_softcap: float | None = None
    logits_divisor: float = 1.0
    embedding_multiplier: float = 1.0
    residual_multiplier: float = 1.0
    learned_positions: int | None = None
    names: TensorNames = field(default_factory=TensorNames)

    @property
    def rotated(self) -> int:
        """Dimensions of a head that rotary positions turn; all ropes of a model turn the same."""
        return 2 * len(self.ropes[0].inverse_frequencies) if self.ropes else 0
