"""How a loop runs passes of its texts, and takes in what they show."""

from collections.abc import Sequence
from typing import Protocol

import torch

from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner


class Passes(Protocol):
    """Over one cache. What is prepared is what a device can record: that is no part of decoding."""

    def prepare(self, model: Decoder, mlp: MlpRunner, steps: int, *, tree: bool = False) -> None:
        """Passes of up to ``steps`` tokens may follow behind the text, and teach the runner."""

    def prepare_choice(self, policy: DraftPolicy) -> None:
        """Checks may follow, after which ``policy`` chooses."""

    def run(
        self,
        model: Decoder,
        places: Sequence[int],
        windows: Sequence[Sequence[int]],
        starts: Sequence[int],
        mlp: MlpRunner,
        tree: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The logits after every token of ``windows``, until the next pass; see :func:`run_rows`."""
        ...

    def learn(
        self, watch: Watch, places: Sequence[int], lengths: Sequence[int], counts: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """See :meth:`Watch.learn`."""
        ...

    def checked(self, policy: DraftPolicy, place: int) -> None:
        """See :meth:`DraftPolicy.checked`."""


class LaunchedPasses:
    """Every op is launched when its turn comes."""

    def __init__(self, cache: KVCache) -> None:
        self._cache = cache

    def prepare(self, model: Decoder, mlp: MlpRunner, steps: int, *, tree: bool = False) -> None:
        """Nothing has to be."""

    def prepare_choice(self, policy: DraftPolicy) -> None:
        """Nothing has to be."""

    def run(
        self,
        model: Decoder,
        places: Sequence[int],
        windows: Sequence[Sequence[int]],
        starts: Sequence[int],
        mlp: MlpRunner,
        tree: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See :func:`run_rows`."""
        return run_rows(model, self._cache, places, windows, starts, mlp, tree=tree)

    def learn(
        self, watch: Watch, places: Sequence[int], lengths: Sequence[int], counts: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """See :meth:`Watch.learn`."""
        return watch.learn(places, lengths, counts)

    def checked(self, policy: DraftPolicy, place: int) -> None:
        """See :meth:`DraftPolicy.checked`."""
        policy.checked(place)
