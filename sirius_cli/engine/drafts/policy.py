"""What every draft policy offers."""

from dataclasses import dataclass
from typing import Protocol

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_kernels.block.op import MlpBlock


@dataclass(frozen=True, slots=True)
class StepCost:
    """A draft step over a dense step: ``density`` in parameters used, ``read`` in bytes of weights really read."""

    density: float
    read: float


class DraftPolicy(Protocol):
    """Runs the MLPs of a draft step (see :class:`sirius_cli.engine.models.decoder.MlpRunner`)."""

    @property
    def cost(self) -> StepCost: ...

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """What :meth:`checked` changes, beside the statistic."""
        ...

    def begin(self, row: int) -> None:
        """The text of this row of the batch has been read; steps on it follow."""

    def checked(self, row: int) -> None:
        """A check of this row is over, and what it showed is known."""

    def focus(self, rows: list[int]) -> None:
        """The next pass runs a token of each of these rows, or several of the only one."""

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None: ...


class Forgetful:
    """The part of a policy that knows nothing of texts."""

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """Nothing is remembered."""
        return ()

    def begin(self, row: int) -> None:
        """Nothing is chosen ahead."""

    def checked(self, row: int) -> None:
        """Nothing is learnt."""

    def focus(self, rows: list[int]) -> None:
        """Every token is treated alike, whichever row it belongs to."""


def step_cost(counts: ParameterCounts, skipped_per_layer: float, size: float, *, masked: bool) -> StepCost:
    """The cost of leaving out ``skipped_per_layer`` parameters. A mask computes everything and reads everything.

    ``size`` is that of a matrix's weight as drafts read it, over that of a native one.
    """
    skipped = skipped_per_layer * counts.layers
    touched = counts.matrices if masked else counts.matrices - skipped
    return StepCost(1.0 - skipped / counts.total, (counts.read - counts.matrices + touched * size) / counts.read)


def dense_cost(counts: ParameterCounts, size: float) -> StepCost:
    """The cost of a step that leaves nothing out."""
    return step_cost(counts, 0.0, size, masked=False)


def coarse_cost(keep: float, neurons: int, counts: ParameterCounts, size: float, *, masked: bool = False) -> StepCost:
    """The cost of a step that uses ``keep`` of all ``neurons`` of a layer, and nothing of the others."""
    skippable = counts.gate + counts.up + counts.down
    return step_cost(counts, skippable * (1 - kept_neurons(keep, neurons) / neurons), size, masked=masked)


def fine_cost(keep: float, neurons: int, counts: ParameterCounts, size: float, *, masked: bool = False) -> StepCost:
    """The cost of a step that must see every gate before it knows which ``keep`` of the neurons to use."""
    skippable = counts.down + (counts.up if counts.gate else 0)
    return step_cost(counts, skippable * (1 - kept_neurons(keep, neurons) / neurons), size, masked=masked)


def kept_neurons(keep: float, neurons: int) -> int:
    """``floor(keep * neurons)``, at least one; exact for decimal fractions such as 0.7 of 10."""
    return max(1, int(keep * neurons + 1e-9))
