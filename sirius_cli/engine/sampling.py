"""Logits to tokens. A request owns one seeded generator, so its answer does not depend on its neighbours."""

import torch

from sirius_cli.core.request import SamplingSpec

_COLDEST = 1e-6  # below, fp32 would sample the likeliest token all the same


def distribution(logits: torch.Tensor, spec: SamplingSpec) -> torch.Tensor:
    """Probabilities ``fp32[N, V]`` from which ``spec`` samples after ``logits[N, V]``.

    Temperature first, then the ``top_k`` likeliest, then the smallest set of tokens that reaches ``top_p``.
    """
    # Differences from the largest: divided by little, logits themselves would overflow.
    scaled = (logits - logits.amax(-1, keepdim=True)) / max(spec.temperature, _COLDEST)
    if 0 < spec.top_k < logits.shape[-1]:
        least = scaled.topk(spec.top_k).values[..., -1:]
        scaled = scaled.masked_fill(scaled < least, float("-inf"))
    probabilities = scaled.softmax(-1)
    return _nucleus(probabilities, spec.top_p) if spec.top_p < 1.0 else probabilities


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = probabilities.sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(before >= top_p, 0.0))
    return kept / kept.sum(-1, keepdim=True)


def certain(token: int, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The distribution ``fp32[size]`` of a draft that is no draw: all of it is on ``token``."""
    return torch.zeros(size, device=device).index_fill_(0, torch.tensor(token, device=device), 1.0)


def probabilities_of(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """``fp32[N]``: the model's own probability (temperature 1) of ``tokens[N]`` after ``logits[N, V]``."""
    return (logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)).exp()


def token_probabilities(logits: torch.Tensor, tokens: list[int]) -> list[float]:
    """As :func:`probabilities_of`, for tokens that the host knows."""
    return probabilities_of(logits, torch.tensor(tokens, device=logits.device)).tolist()


def likeliest(logits: torch.Tensor) -> list[tuple[int, float]]:
    """The likeliest token after each of ``logits[N, V]``, and the model's own probability of it.

    The device is asked once.
    """
    tokens = logits.argmax(-1)
    found = torch.stack([tokens.double(), probabilities_of(logits, tokens).double()], 1)
    return [(int(token), probability) for token, probability in found.tolist()]


def entropy(logits: torch.Tensor) -> float:
    """The entropy of the model's own distribution (temperature 1) after ``logits[V]``, in nats."""
    return float(torch.special.entr(logits.float().softmax(-1)).sum())


class Chooser:
    """Chooses the tokens of one request."""

    def __init__(self, spec: SamplingSpec, device: torch.device | str = "cpu") -> None:
        self.spec = spec
        self.generator = torch.Generator(device).manual_seed(spec.seed)

    @property
    def greedy(self) -> bool:
        return self.spec.greedy

    def choose(self, logits: torch.Tensor) -> tuple[int, torch.Tensor | None]:
        """The next token after ``logits[V]``, and the distribution it was drawn from (None: it is the argmax)."""
        if self.greedy:
            return int(logits.argmax()), None
        probabilities = distribution(logits[None], self.spec)[0]
        return self.draw(probabilities), probabilities

    def draw(self, probabilities: torch.Tensor) -> int:
        """One token from ``probabilities[V]``, which need not sum to 1."""
        return int(torch.multinomial(probabilities, 1, generator=self.generator))

    def uniform(self) -> float:
        """One number from [0, 1)."""
        return float(torch.rand((), generator=self.generator, device=self.generator.device))
