"""What is asked of the engine."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SamplingSpec:
    """How tokens are chosen. ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 are off."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt, as token ids, and the limits of its answer.

    ``stop`` strings end the answer and are not part of it. The model's own end-of-sequence ids always end it
    unless ``ignore_eos`` is set (measurements of a fixed length need that).
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int = 512
    sampling: SamplingSpec = field(default_factory=SamplingSpec)
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
