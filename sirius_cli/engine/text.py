"""The text that the model has read: its KV cache and what the coarse draft has learnt from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache


@dataclass(slots=True)
class Text:
    """``ids`` are the tokens whose KV the cache holds, dense and final. ``statistic`` covers the same tokens.

    Sums cannot be taken back token by token, so ``snapshots`` keeps them at the places to which a text may return.
    """

    cache: KVCache
    statistic: NeuronStatistic | None
    ids: list[int] = field(default_factory=list)
    snapshots: dict[int, torch.Tensor] = field(default_factory=dict)

    def snapshot(self) -> None:
        """Make the present end a place to return to."""
        if self.statistic is not None:
            self.snapshots[len(self.ids)] = self.statistic.scores.clone()

    def common_prefix(self, prompt: Sequence[int]) -> int:
        """How many tokens need not be run again for ``prompt``. Its last token always is: it gives the logits."""
        longest = 0
        for held, wanted in zip(self.ids, prompt[:-1], strict=False):
            if held != wanted:
                break
            longest += 1
        if self.statistic is None or longest == len(self.ids):
            return longest
        return max((length for length in self.snapshots if length <= longest), default=0)

    def return_to(self, length: int) -> None:
        """Forget everything after the first ``length`` tokens."""
        if length == len(self.ids):
            return
        self.cache.rewind(0, length)
        del self.ids[length:]
        self.snapshots = {at: scores for at, scores in self.snapshots.items() if at <= length}
        if self.statistic is not None:
            self.statistic.scores.copy_(self.snapshots[length] if length else torch.zeros(()))
