"""The coarse statistic: how much each neuron has done for the text so far.

GRIFFIN (Dong et al., arXiv 2404.01365): every token's activations are scaled to unit length, and a neuron's score is
the root of its summed squares. Sums are kept without the root, which no ranking needs; so texts can be added up.
"""

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.models.layout import MlpWeights


class NeuronStatistic:
    """Scores ``[layers, rows, F]`` of the committed text; a dense MLP runner that can watch what passes through."""

    def __init__(self, layers: int, rows: int, neurons: int, device: torch.device | str = "cpu") -> None:
        self.scores = torch.zeros(layers, rows, neurons, device=device)
        self._seen: list[torch.Tensor] = []

    def __call__(self, layer: int, x: torch.Tensor, weights: MlpWeights, ops: Ops) -> torch.Tensor:
        """Run the whole MLP and remember its hidden activations until :meth:`fold`."""
        hidden = ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation)
        if layer == 0:
            self._seen = []
        self._seen.append(hidden)
        return ops.mlp_down(hidden, weights.down_t, weights.down_bias)

    def fold(self, rows: list[int], counts: list[int]) -> None:
        """Add the last pass: of its i-th row, the cache's row ``rows[i]``, the first ``counts[i]`` tokens."""
        for layer, hidden in enumerate(self._seen):
            by_row = hidden.view(len(rows), -1, hidden.shape[-1])
            for i, (row, count) in enumerate(zip(rows, counts, strict=True)):
                squares = by_row[i, :count].float().square()
                lengths = squares.sum(-1).clamp_min(torch.finfo(torch.float32).tiny)
                self.scores[layer, row] += lengths.reciprocal() @ squares
        self._seen = []
