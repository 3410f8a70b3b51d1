"""Coarse drafts: one set of neurons for a whole prompt."""

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import StepCost, coarse_cost, kept_neurons
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.layout import MlpWeights


class CoarseDraft:
    """Uses the neurons with the highest scores, the same for every token. Nothing else is read.

    With several rows each row has its own set; then all neurons are computed and the others masked.
    """

    def __init__(
        self, statistic: NeuronStatistic, keep: float, counts: ParameterCounts, ops: Ops, *, masked: bool = False
    ) -> None:
        layers, rows, neurons = statistic.scores.shape
        self.masked = masked or rows > 1
        count = kept_neurons(keep, neurons)
        self._active = [
            [ops.select_rows(statistic.scores[layer, row], count) for row in range(rows)] for layer in range(layers)
        ]
        self._masks = [_mask(active, neurons) for active in self._active] if self.masked else []
        self.cost: StepCost = coarse_cost(keep, neurons, counts, masked=self.masked)
        self._focused = list(range(rows))

    def focus(self, rows: list[int]) -> None:
        """The next pass runs these rows of the batch."""
        self._focused = rows

    def __call__(self, layer: int, x: torch.Tensor, weights: MlpWeights, ops: Ops) -> torch.Tensor:
        if self.masked:
            return self._run_masked(layer, x, weights, ops)
        active = self._active[layer][0]
        hidden = ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation, active=active)
        return ops.mlp_down(hidden, weights.down_t, weights.down_bias, active=active)

    def _run_masked(self, layer: int, x: torch.Tensor, weights: MlpWeights, ops: Ops) -> torch.Tensor:
        masks = self._masks[layer][self._focused]
        hidden = ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation)
        hidden.view(masks.shape[0], -1, hidden.shape[-1]).mul_(masks[:, None])
        return ops.mlp_down(hidden, weights.down_t, weights.down_bias)


def _mask(active: list[torch.Tensor], neurons: int) -> torch.Tensor:
    masks = torch.zeros(len(active), neurons, device=active[0].device)
    for row, numbers in enumerate(active):
        masks[row, numbers.long()] = 1.0
    return masks
