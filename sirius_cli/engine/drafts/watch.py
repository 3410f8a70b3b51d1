"""Looking at the hidden activations of a dense pass while it runs."""

from collections.abc import Iterator

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

    def activity(self, counts: list[int]) -> list[tuple[float, ...]]:
        """The participation ratio of each layer's neurons, from 1/F (one does it all) to 1 (all do the same).

        For each row of the pass, averaged over its first ``counts[i]`` tokens: ``(sum h^2)^2 / (F sum h^4)``.
        """
        return [tuple(_participation(squares) for squares in self._squares(i, counts)) for i in range(len(counts))]

    def _squares(self, i: int, counts: list[int]) -> Iterator[torch.Tensor]:
        """For each layer the squared activations ``[counts[i], F]`` of the pass's i-th row."""
        for hidden in self._seen:
            yield hidden.view(len(counts), -1, hidden.shape[-1])[i, : counts[i]].float().square()


def _participation(squares: torch.Tensor) -> float:
    ratio = squares.sum(-1).square() / squares.square().sum(-1).clamp_min(_TINY)
    return float(ratio.mean()) / squares.shape[-1]
