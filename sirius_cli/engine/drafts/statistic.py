"""The coarse statistic: how much each neuron has done for the text so far.

GRIFFIN (Dong et al., arXiv 2404.01365) scales every token's activations to unit length and sums their squares. Here a
neuron's sum also counts by the squared norm of its down row: what skipping it takes from the layer's output, which it
leaves by that row alone. Sums are kept without a root, which no ranking needs; so texts can be added up.
"""

from collections.abc import Sequence

import torch

from sirius_cli.engine.drafts.watch import Watch, first

_TINY = torch.finfo(torch.float32).tiny
_MOST_WAITING = 16  # tokens whose activations are kept, a megabyte each for a model of 1.5B


class NeuronStatistic(Watch):
    """Scores of the committed text; watches the dense passes to learn them.

    ``norms`` are :attr:`sirius_cli.engine.models.decoder.Decoder.down_norms`, ``fp32[layers, F]``.
    """

    def __init__(self, norms: torch.Tensor, rows: int) -> None:
        super().__init__()
        layers, neurons = norms.shape
        self._norms = norms
        self._scores = torch.zeros(layers, rows, neurons, device=norms.device)
        self._waiting: list[tuple[list[int], list[torch.Tensor]]] = []

    @property
    def scores(self) -> torch.Tensor:
        """``[layers, rows, F]``, of all passes."""
        self.catch_up()
        return self._scores

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """The scores."""
        return (self.scores,)

    def learn(self, rows: Sequence[int], lengths: Sequence[int], counts: Sequence[int]) -> list[tuple[float, ...]]:
        """As for any watch; the scores take it in as well."""
        activity = self.activity(lengths, counts)
        self.fold(rows, lengths, counts)
        return activity

    def learn_first(self, row: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """As :meth:`learn` for a pass of one row, where only the device knows ``row[1]`` and ``count[1]``."""
        for layer, squares in enumerate(self._layers(slice(None))):
            weights = _weights(squares) * first(count, squares.shape[0])
            gain = weights @ squares * self._norms[layer]
            self._scores[layer].index_add_(0, row, gain[None])
        return self.activity_of_first(count)

    def begin(self, row: int, prefix: "NeuronStatistic | None") -> None:
        """Forget what ``row`` stood for: it begins with the text of ``prefix``'s only row, or with none."""
        self.scores[:, row] = 0.0 if prefix is None else prefix.scores[:, 0]

    def fold(self, rows: Sequence[int], lengths: Sequence[int], counts: Sequence[int]) -> None:
        """Add the last pass, ``lengths[i]`` tokens of the cache's ``rows[i]``: the first ``counts[i]`` of these."""
        for row, layers in zip(rows, self._squares(lengths, counts), strict=True):
            for layer, squares in enumerate(layers):
                self._scores[layer, row] += _weights(squares) @ squares * self._norms[layer]
        self._seen = []

    def fold_later(self, rows: list[int]) -> None:
        """Add the last pass, one token of each of the cache's ``rows``, when the scores are next asked for.

        A dense step alone would take a tenth longer for being learnt from; many of them at once do not.
        """
        self._waiting.append((rows, self._seen))
        self._seen = []
        if sum(len(rows) for rows, _ in self._waiting) >= _MOST_WAITING:
            self.catch_up()

    def catch_up(self) -> None:
        """Add what waits."""
        if not self._waiting:
            return
        rows = torch.tensor([row for rows, _ in self._waiting for row in rows], device=self._scores.device)
        for layer, hidden in enumerate(zip(*(seen for _, seen in self._waiting), strict=True)):
            squares = torch.cat(hidden).float().square()
            self._scores[layer].index_add_(0, rows, _weights(squares)[:, None] * squares * self._norms[layer])
        self._waiting = []


def _weights(squares: torch.Tensor) -> torch.Tensor:
    """``[T]``: what scales each token's activations to unit length."""
    return squares.sum(-1).clamp_min(_TINY).reciprocal()
