"""Looking at the hidden activations of a dense pass while it runs."""

from collections.abc import Iterator
from itertools import accumulate

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.models.layout import MlpWeights

_TINY = torch.finfo(torch.float32).tiny


class Watch:
    """A dense MLP runner that remembers the hidden activations of the pass until the next one."""

    def __init__(self) -> None:
        self._seen: list[torch.Tensor] = []

    def __call__(self, layer: int, x: torch.Tensor, weights: MlpWeights, ops: Ops) -> torch.Tensor:
        """Run the whole MLP and remember its hidden activations."""
        hidden = ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation)
        if layer == 0:
            self._seen = []
        self._seen.append(hidden)
        return ops.mlp_down(hidden, weights.down_t, weights.down_bias)

    def activity(self, lengths: list[int], counts: list[int]) -> list[tuple[float, ...]]:
        """The participation ratio of each layer's neurons, from 1/F (one does it all) to 1 (all do the same).

        For each row of the pass, which had ``lengths[i]`` tokens, averaged over the first ``counts[i]`` of them:
        ``(sum h^2)^2 / (F sum h^4)``.
        """
        return [tuple(map(_participation, squares)) for squares in self._squares(lengths, counts)]

    def _squares(self, lengths: list[int], counts: list[int]) -> Iterator[list[torch.Tensor]]:
        """For each row of the pass the squared activations ``[counts[i], F]`` of every layer."""
        for end, length, count in zip(accumulate(lengths), lengths, counts, strict=True):
            first = end - length
            yield [hidden[first : first + count].float().square() for hidden in self._seen]


def _participation(squares: torch.Tensor) -> float:
    ratio = squares.sum(-1).square() / squares.square().sum(-1).clamp_min(_TINY)
    return float(ratio.mean()) / squares.shape[-1]
