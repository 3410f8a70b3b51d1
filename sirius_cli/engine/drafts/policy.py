"""What every draft policy offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.backend import Ops
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.errors import UsageError
from sirius_kernels.block.op import MlpBlock


@dataclass(frozen=True, slots=True)
class StepCost:
    """A draft step over a dense step: ``density`` in parameters used, ``read`` in bytes of weights really read."""

    density: float
    read: float


@dataclass(frozen=True, slots=True)
class WeightSizes:
    """Bytes of a weight of each matrix as drafts read it, over those of a native one."""

    head: float = 1.0
    qkv: float = 1.0
    out: float = 1.0
    gate_up: float = 1.0
    down_t: float = 1.0


class DraftPolicy(Protocol):
    """Runs the MLPs of a draft step (see :class:`sirius_cli.engine.models.decoder.MlpRunner`)."""

    @property
    def cost(self) -> StepCost: ...

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """What :meth:`checked` changes, beside the statistic."""
        ...

    @property
    def chooses_at_checks(self) -> bool:
        """Whether :meth:`checked` chooses neurons anew every time: then all that it does is the same every time."""
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

    chooses_at_checks = False

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


def step_cost(
    counts: ParameterCounts,
    sizes: WeightSizes,
    *,
    gate: float = 1.0,
    up: float = 1.0,
    down: float = 1.0,
    masked: bool = False,
) -> StepCost:
    """The cost of a step that uses those fractions of each layer's ``gate``, ``up`` and ``down``, and all of the rest.

    A mask computes everything and reads everything.
    """
    used = gate * counts.gate + up * counts.up + down * counts.down
    skipped = counts.layers * (counts.gate + counts.up + counts.down - used)
    if masked:
        gate = up = down = 1.0
    mlp = (gate * counts.gate + up * counts.up) * sizes.gate_up + down * counts.down * sizes.down_t
    layer = counts.qkv * sizes.qkv + counts.out * sizes.out + mlp
    read = counts.read - counts.matrices + counts.head * sizes.head + counts.layers * layer
    return StepCost(1.0 - skipped / counts.total, read / counts.read)


def coarse_cost(
    keeps: Sequence[float], neurons: int, counts: ParameterCounts, sizes: WeightSizes, *, masked: bool = False
) -> StepCost:
    """The cost of a step that uses ``keeps[layer]`` of the ``neurons`` of each layer, and nothing of the others."""
    kept = sum(kept_neurons(keep, neurons) for keep in keeps) / (len(keeps) * neurons)
    return step_cost(counts, sizes, gate=kept, up=kept, down=kept, masked=masked)


def fine_cost(
    keep: float, neurons: int, counts: ParameterCounts, sizes: WeightSizes, *, masked: bool = False
) -> StepCost:
    """The cost of a step that must see every gate before it knows which ``keep`` of the neurons to use."""
    kept = kept_neurons(keep, neurons) / neurons
    return step_cost(counts, sizes, up=kept if counts.gate else 1.0, down=kept, masked=masked)


def keeps_of(spec: DraftSpec, layers: int) -> tuple[float, ...]:
    """The keep of each of a model's ``layers``. Raises ``UsageError`` where the profile's are another number."""
    if spec.keeps and len(spec.keeps) != layers:
        raise UsageError(
            f"the profile has keeps for {len(spec.keeps)} layers, but the model has {layers}",
            "make a profile for this model with sirius calibrate, or add --draft-layers none",
        )
    return spec.keeps or (spec.keep,) * layers


def kept_neurons(keep: float, neurons: int) -> int:
    """``floor(keep * neurons)``, at least one; exact for decimal fractions such as 0.7 of 10."""
    return max(1, int(keep * neurons + 1e-9))
