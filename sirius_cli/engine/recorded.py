"""The correction loop over passes that a GPU records once: for windows that depend on what tokens turn out to be.

A pass is hundreds of launches, which take the host longer than the GPU takes to run them. A whole window as one program
(:mod:`sirius_cli.engine.programmed`) spares the most, but it can neither look anything up, nor end a draft in doubt,
nor sample, nor change its size. This loop can: it asks the GPU once a pass what the tokens are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from sirius_cli.engine.correction import CorrectionLoop
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner, dense_mlp
from sirius_cli.engine.planning.pace import Pace
from sirius_cli.engine.replay import Replay
from sirius_cli.engine.row import Row

_SIZES: Final = (1, 2, 4, 8, 16, 32)
"""Passes of other sizes are padded: that costs a GPU next to nothing, and each size has to be recorded."""


@dataclass
class RecordedLoop(CorrectionLoop):
    """Decodes one row at a time; it may serve one text after another, as long as their ``cache`` is the same.

    Windows of up to ``longest`` tokens are recorded before decoding begins, longer ones when they turn up.
    """

    longest: int = _SIZES[-1]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._passes: dict[tuple[Decoder, MlpRunner, int], RecordedPass] = {}

    def restart(self, began: float, pace: Pace) -> None:
        """Forget the rows of an answer that was given up; ``began`` is when the next one did, ``pace`` its own."""
        self._drafts, self._news, self.began, self.pace = [], [], began, pace

    def prepare(self, row: Row) -> None:
        """Let a GPU record the passes, unless it has: that is no part of decoding, and must not be timed as such."""
        start = self.cache.lengths[row.place]
        if self.policy is not None:
            self.policy.begin(row.place)
            self._prepare(self.drafter, self.policy, 1, start)
        if self._alone:
            return
        if self.pace.plans:
            self._prepare(self.model, self.statistic or dense_mlp, 1, start)
        for size in _SIZES[: 1 + sum(size < self.longest for size in _SIZES)]:
            self._prepare(self.model, self._watch or dense_mlp, size, start)

    def _prepare(self, model: Decoder, mlp: MlpRunner, size: int, start: int) -> None:
        if start + size <= self.cache.capacity:
            self._recorded(model, mlp, size).prepare(start)

    def _pass(
        self, model: Decoder, places: list[int], windows: list[list[int]], starts: list[int], mlp: MlpRunner
    ) -> torch.Tensor:
        """As for all loops, until the next pass. One that leaves no room for padding is run as it is."""
        (ids,), (start,) = windows, starts
        size = next((size for size in _SIZES if size >= len(ids)), len(ids))
        if start + size > self.cache.capacity:
            return super()._pass(model, places, windows, starts, mlp)
        return self._recorded(model, mlp, size)(ids, start)

    def _recorded(self, model: Decoder, mlp: MlpRunner, size: int) -> "RecordedPass":
        key = model, mlp, size
        if key not in self._passes:
            self._passes[key] = RecordedPass(model, self.cache, mlp, size)
        return self._passes[key]


class RecordedPass:
    """A pass of up to ``size`` tokens of the only row of ``cache``, over buffers that stay in place."""

    def __init__(self, model: Decoder, cache: KVCache, mlp: MlpRunner, size: int) -> None:
        device = model.weights.head.device
        self._model, self._cache, self._mlp = model, cache, mlp
        self._ids = torch.zeros(1, size, dtype=torch.int64, device=device)
        self._start = torch.zeros(1, dtype=torch.int64, device=device)
        self._sight: torch.Tensor | None = None
        self._replay = Replay(self.run, (self._ids, self._start))

    def prepare(self, start: int) -> None:
        """Let a GPU record it, with tokens that are written from slot ``start`` on."""
        self._start.fill_(start)
        self._replay.prepare()

    def __call__(self, ids: Sequence[int], start: int) -> torch.Tensor:
        """The logits ``fp32[T, V]`` after each of ``ids``, until the next call; what is behind them is padding.

        A runner that watches is shown what there was to see, of padding too, behind the rest.
        """
        self._ids[0, : len(ids)] = torch.tensor(ids)
        self._start.fill_(start)
        logits = self._replay()[: len(ids)]
        if isinstance(self._mlp, Watch) and self._sight is not None:
            self._mlp.sight = self._sight.clone()
        return logits

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        """What is recorded."""
        hidden = self._model.run(self._ids, self._start, self._cache, mlp=self._mlp)
        if isinstance(self._mlp, Watch):
            self._sight = self._mlp.sight
        return self._model.logits(hidden[0])
