"""Fine drafts: every token picks its own neurons by the size of their gates (CATS, Lee et al., arXiv 2404.08763)."""

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import Forgetful, StepCost, WeightSizes, fine_cost, kept_neurons
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_kernels.block.op import MlpBlock
from sirius_kernels.block.weights import MlpWeights
from sirius_kernels.contracts import Onto


class FineDraft(Forgetful):
    """Runs the gate densely, then up and down for the neurons with the largest ``abs(act(gate))`` alone.

    An MLP without a gate picks by its activations; only down rows are skipped then. Several tokens at once (a batch)
    pick different neurons, so they run all and mask; ``masked`` does so for one token too.
    """

    def __init__(
        self,
        keep: float,
        neurons: int,
        counts: ParameterCounts,
        sizes: WeightSizes,
        *,
        rows: int = 1,
        masked: bool = False,
    ) -> None:
        self.masked = masked or rows > 1
        self._count = kept_neurons(keep, neurons)
        self.cost: StepCost = fine_cost(keep, neurons, counts, sizes, masked=self.masked)

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        def branch(x: torch.Tensor, onto: Onto | None) -> torch.Tensor:
            weights = block.weights
            gate = ops.mlp_gate(x, weights.gate_up, weights.bias, activation=weights.activation)
            if self.masked:
                return self._run_masked(x, gate, weights, onto, ops)
            active = ops.select_rows(gate[0], self._count, magnitude=True)
            hidden = ops.mlp_up(x, gate, weights.gate_up, weights.bias, active=active)
            return ops.mlp_down(hidden, weights.down_t, weights.down_bias, active=active, onto=onto)

        block.around(x, branch)

    def _run_masked(
        self, x: torch.Tensor, gate: torch.Tensor, weights: MlpWeights, onto: Onto | None, ops: Ops
    ) -> torch.Tensor:
        mask = torch.zeros_like(gate)
        for chosen, own in zip(mask, gate, strict=True):
            chosen.index_fill_(0, ops.select_rows(own, self._count, magnitude=True).long(), 1.0)
        hidden = ops.mlp_up(x, gate, weights.gate_up, weights.bias)
        return ops.mlp_down(hidden * mask, weights.down_t, weights.down_bias, onto=onto)
