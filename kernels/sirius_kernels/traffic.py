"""How many bytes a decoder step moves, from shapes alone, and how long that takes at best.

Decoding a few tokens is bound by the memory that it reads, so these figures are the floor of every kernel here; a GPU's
measured time is told as a share of it. Activations are left out: they stay in caches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Method = Literal["dense", "coarse", "fine"]

BANDWIDTHS: Final[Mapping[str, float]] = {
    "A100": 2.039e12,
    "H100": 3.35e12,
    "H200": 4.8e12,
    "RTX 4090": 1.008e12,
}
"""Bytes per second of the makers' data sheets: A100 80 GB SXM, H100 SXM, H200 SXM, GeForce RTX 4090."""

_NORM_BYTES: Final = 4  # norms are kept in fp32
_SCALE_BYTES: Final = 2  # of a group of quantised weights


@dataclass(frozen=True, slots=True)
class StepShape:
    """What decides about the bytes of a step. ``itemsize`` is that of weights and cache, in bytes.

    ``projections`` into a neuron are 2 with a gate, else 1. Biases are left out: they are a ten-thousandth.
    """

    layers: int
    hidden: int
    neurons: int
    projections: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    itemsize: int


LLAMA_8B: Final = StepShape(32, 4096, 14336, 2, 32, 8, 128, 128256, 2)
"""Llama 3.1 8B in bf16."""
QWEN_1_5B: Final = StepShape(28, 1536, 8960, 2, 12, 2, 128, 151936, 2)
"""Qwen2.5 1.5B in bf16."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes read of ``weights`` and of the ``cache``, and ``written`` to the cache."""

    weights: int = 0
    cache: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.written

    def __add__(self, other: "Bytes") -> "Bytes":
        return Bytes(self.weights + other.weights, self.cache + other.cache, self.written + other.written)

    def __mul__(self, times: int) -> "Bytes":
        return Bytes(self.weights * times, self.cache * times, self.written * times)

    def floor(self, bandwidth: float) -> float:
        """Seconds, at ``bandwidth`` bytes per second."""
        return self.total / bandwidth


def coded_size(bits: int, group: int) -> float:
    """Bytes of a weight of so many bits, with its share of the scale of a ``group``."""
    return bits / 8 + _SCALE_BYTES / group


def linear_bytes(outputs: int, depth: int, size: float) -> Bytes:
    """``linear``: every weight of ``size`` bytes once, for up to 64 tokens."""
    return Bytes(weights=round(outputs * depth * size))


def mlp_bytes(
    shape: StepShape, method: Method = "dense", active: int | None = None, size: float | None = None
) -> Bytes:
    """The MLP of one layer, ``active`` of its neurons in use (None: all)."""
    count = shape.neurons if active is None else active
    rows = count * (shape.projections + 1)
    if method == "fine":  # every gate is read; an MLP without one decides by its only projection
        rows = shape.neurons + count * shape.projections
    return linear_bytes(rows, shape.hidden, shape.itemsize if size is None else size)


def attention_bytes(shape: StepShape, tokens: int, context: int) -> Bytes:
    """The op ``attention`` of one layer: ``tokens`` new tokens of one text behind ``context`` that the cache holds."""
    slot = 2 * shape.kv_heads * shape.head_dim * shape.itemsize
    return Bytes(cache=(context + tokens) * slot, written=tokens * slot)


def step_bytes(
    shape: StepShape,
    tokens: int,
    context: int,
    method: Method = "dense",
    active: int | None = None,
    size: float | None = None,
) -> Bytes:
    """A whole step: ``tokens`` tokens of one text behind ``context``, the head for each. Embeddings are looked up.

    ``size`` is the bytes of a matrix's weight; None: as the model has them.
    """
    size = shape.itemsize if size is None else size
    qkv = linear_bytes((shape.heads + 2 * shape.kv_heads) * shape.head_dim, shape.hidden, size)
    out = linear_bytes(shape.hidden, shape.heads * shape.head_dim, size)
    norms = Bytes(weights=2 * shape.hidden * _NORM_BYTES)
    layer = norms + qkv + attention_bytes(shape, tokens, context) + out + mlp_bytes(shape, method, active, size)
    head = Bytes(weights=shape.hidden * _NORM_BYTES) + linear_bytes(shape.vocabulary, shape.hidden, size)
    return layer * shape.layers + head


def window_bytes(
    shape: StepShape,
    window: int,
    context: int,
    method: Method = "dense",
    active: int | None = None,
    size: float | None = None,
) -> Bytes:
    """A window: ``window - 1`` draft steps of ``method``, over weights of ``size`` bytes, and the dense check."""
    total = step_bytes(shape, window, context)
    for drafted in range(window - 1):
        total += step_bytes(shape, 1, context + drafted, method, active, size)
    return total
