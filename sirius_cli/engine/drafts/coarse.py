"""Coarse drafts: one set of neurons for a whole prompt."""

from collections.abc import Sequence

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import StepCost, WeightSizes, coarse_cost, kept_neurons
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_kernels.block.op import MlpBlock


class CoarseDraft:
    """Uses the neurons with the highest scores, ``keeps[layer]`` of each layer, the same for every token.

    Nothing else is read.

    They are chosen once the prompt has been read, and anew after every ``refresh`` checks (0: never). A check leaves
    ``decay`` of the weight of all that was read before the next one: what has faded is kept here, so the statistic
    stays that of the text, whatever drafts did with it. With several rows each row has its own set; then
    all neurons are computed and the others masked.
    """

    def __init__(
        self,
        statistic: NeuronStatistic,
        keeps: Sequence[float],
        counts: ParameterCounts,
        sizes: WeightSizes,
        ops: Ops,
        *,
        refresh: int = 0,
        decay: float = 1.0,
        masked: bool = False,
    ) -> None:
        _, rows, neurons = statistic.scores.shape
        self.masked = masked or rows > 1
        self.cost: StepCost = coarse_cost(keeps, neurons, counts, sizes, masked=self.masked)
        self._statistic, self._ops = statistic, ops
        kept = [kept_neurons(keep, neurons) for keep in keeps]
        # Lists that stay where they are: what has been recorded for a GPU goes on reading them.
        self._active = [torch.empty(count, dtype=torch.int32, device=statistic.scores.device) for count in kept]
        self._masks = torch.zeros_like(statistic.scores) if self.masked else None
        self._focused = torch.zeros(rows, dtype=torch.int64, device=statistic.scores.device)
        self._refresh, self._decay = refresh, decay
        self._faded = torch.zeros_like(statistic.scores) if decay < 1.0 else None
        self._checks = [0] * rows

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """The lists of chosen neurons, and what has faded."""
        return (*self._active, *(() if self._faded is None else (self._faded,)))

    @property
    def chooses_at_checks(self) -> bool:
        """With a refresh of 1."""
        return self._refresh == 1

    def begin(self, row: int) -> None:
        """Choose the neurons of ``row`` by what is known of its text."""
        self._checks[row] = 0
        if self._faded is not None:
            self._faded[:, row] = 0.0
        self._choose(row)

    def checked(self, row: int) -> None:
        """Let what is known fade, the newest least, and choose anew if it is time to."""
        if self._faded is not None:
            self._faded[:, row].lerp_(self._statistic.scores[:, row], 1.0 - self._decay)
        self._checks[row] += 1
        if self._refresh and self._checks[row] % self._refresh == 0:
            self._choose(row)

    def _choose(self, row: int) -> None:
        if self._masks is not None:
            self._masks[:, row] = 0.0
        known = self._statistic.scores[:, row]
        if self._faded is not None:
            known = known - self._faded[:, row]
        for layer, (active, scores) in enumerate(zip(self._active, known, strict=True)):
            active.copy_(self._ops.select_rows(scores, len(active)))
            if self._masks is not None:
                self._masks[layer, row, active.long()] = 1.0

    def focus(self, rows: list[int]) -> None:
        """The next pass runs a token of each of these rows, or several of the only one.

        It may be padded with tokens of the first.
        """
        if self._masks is None:
            return
        padding = [rows[0]] * (len(self._focused) - len(rows))
        self._focused.copy_(torch.tensor(rows + padding))

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        if self._masks is None:
            block(x, self._active[layer])
            return
        mask = self._masks[layer].index_select(0, self._focused[: len(x)])
        block.watched(x, lambda _, hidden: hidden.mul_(mask))
