"""The coarse statistic: how much each neuron has done for the text so far.

GRIFFIN (Dong et al., arXiv 2404.01365): every token's activations are scaled to unit length, and a neuron's score is
the root of its summed squares. Sums are kept without the root, which no ranking needs; so texts can be added up.
"""

import torch

from sirius_cli.engine.drafts.watch import Watch, first

_TINY = torch.finfo(torch.float32).tiny


class NeuronStatistic(Watch):
    """Scores ``[layers, rows, F]`` of the committed text; watches the dense passes to learn them."""

    def __init__(self, layers: int, rows: int, neurons: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.scores = torch.zeros(layers, rows, neurons, device=device)

    def begin(self, row: int, prefix: "NeuronStatistic | None") -> None:
        """Forget what ``row`` stood for: it begins with the text of ``prefix``'s only row, or with none."""
        self.scores[:, row] = 0.0 if prefix is None else prefix.scores[:, 0]

    def fold(self, rows: list[int], lengths: list[int], counts: list[int]) -> None:
        """Add the last pass, ``lengths[i]`` tokens of the cache's ``rows[i]``: the first ``counts[i]`` of these."""
        for row, layers in zip(rows, self._squares(lengths, counts), strict=True):
            for layer, squares in enumerate(layers):
                self.scores[layer, row] += _weights(squares) @ squares
        self._seen = []

    def fold_first(self, count: torch.Tensor) -> None:
        """As :meth:`fold` for a pass of the only row, where only the device knows ``count[1]``."""
        for layer, squares in enumerate(self._layers(slice(None))):
            self.scores[layer, 0] += (_weights(squares) * first(count, squares.shape[0])) @ squares


def _weights(squares: torch.Tensor) -> torch.Tensor:
    """``[T]``: what scales each token's activations to unit length."""
    return squares.sum(-1).clamp_min(_TINY).reciprocal()
