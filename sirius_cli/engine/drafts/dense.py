"""Dense drafts: every weight, in fewer bits. What makes the step cheap is the copy of the weights that it runs on."""

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import StepCost
from sirius_cli.engine.models.decoder import dense_mlp
from sirius_cli.engine.models.layout import MlpWeights


class DenseDraft:
    """Uses all neurons and remembers nothing."""

    def __init__(self, cost: StepCost) -> None:
        self.cost = cost

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """Nothing is remembered."""
        return ()

    def begin(self, row: int) -> None:
        """Nothing is chosen."""

    def checked(self, row: int) -> None:
        """Nothing is learnt."""

    def focus(self, rows: list[int]) -> None:
        """Every token runs all neurons."""

    def __call__(self, layer: int, x: torch.Tensor, weights: MlpWeights, ops: Ops) -> torch.Tensor:
        return dense_mlp(layer, x, weights, ops)
