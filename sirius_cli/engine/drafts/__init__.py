"""Draft policies: which part of the weights a cheap step uses."""

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.coarse import CoarseDraft
from sirius_cli.engine.drafts.dense import DenseDraft
from sirius_cli.engine.drafts.fine import FineDraft
from sirius_cli.engine.drafts.policy import (
    DraftPolicy,
    StepCost,
    WeightSizes,
    coarse_cost,
    fine_cost,
    keeps_of,
    step_cost,
)
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.models.counts import ParameterCounts


def make_policy(
    spec: DraftSpec,
    statistic: NeuronStatistic | None,
    neurons: int,
    rows: int,
    counts: ParameterCounts,
    sizes: WeightSizes,
    ops: Ops,
    *,
    masked: bool = False,
) -> DraftPolicy | None:
    """The policy of ``spec`` for texts whose ``statistic`` is known; None for native dense, which drafts nothing.

    ``sizes`` are those of weights as drafts read them. Raises ``UsageError`` for keeps of another number of layers.
    """
    if spec.native_dense:
        return None
    if spec.method == "dense":
        return DenseDraft(step_cost(counts, sizes))
    if spec.method == "fine":
        return FineDraft(spec.keep, neurons, counts, sizes, rows=rows, masked=masked)
    if statistic is None:
        raise ValueError("a coarse draft needs the statistic of its text")
    keeps = keeps_of(spec, counts.layers)
    return CoarseDraft(
        statistic, keeps, counts, sizes, ops, refresh=spec.refresh, decay=spec.decay, masked=masked
    )  # fmt: skip


def cost_of(
    spec: DraftSpec, neurons: int, counts: ParameterCounts, sizes: WeightSizes, *, masked: bool = False
) -> StepCost | None:
    """What a step of ``spec`` costs on a single text, skipping really unless ``masked``; None for native dense."""
    match spec.method:
        case "coarse":
            return coarse_cost(keeps_of(spec, counts.layers), neurons, counts, sizes, masked=masked)
        case "fine":
            return fine_cost(spec.keep, neurons, counts, sizes, masked=masked)
    return None if spec.native_dense else step_cost(counts, sizes)
