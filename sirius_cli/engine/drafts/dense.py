"""Dense drafts: every weight, in fewer bits. What makes the step cheap is the copy of the weights that it runs on."""

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import Forgetful, StepCost
from sirius_cli.engine.models.decoder import dense_mlp
from sirius_kernels.block.op import MlpBlock


class DenseDraft(Forgetful):
    """Uses all neurons."""

    def __init__(self, cost: StepCost) -> None:
        self.cost = cost

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        dense_mlp(layer, x, block, ops)
