"""Looking at the hidden activations of a dense pass while it runs."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch

from sirius_cli.engine.backend import Ops
from sirius_kernels.block.op import MlpBlock

_TINY = torch.finfo(torch.float32).tiny


class Watch:
    """A dense MLP runner that remembers the hidden activations of the pass until the next one."""

    def __init__(self) -> None:
        self._seen: list[torch.Tensor] = []

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        """Run the whole MLP and remember its hidden activations."""
        if layer == 0:
            self._seen = []
        block.watched(x, lambda _, hidden: self._seen.append(hidden))

    @property
    def sight(self) -> torch.Tensor:
        """All that the pass has shown, ``[L, T, F]``: to be looked at again later."""
        return torch.stack(self._seen)

    @sight.setter
    def sight(self, seen: torch.Tensor) -> None:
        self._seen = [*seen]

    def keep(self, tokens: list[int]) -> None:
        """Remember these tokens of the pass alone, in this order."""
        self._seen = [hidden[tokens] for hidden in self._seen]

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """What :meth:`learn_first` changes."""
        return ()

    def learn(self, rows: Sequence[int], lengths: Sequence[int], counts: Sequence[int]) -> list[tuple[float, ...]]:
        """Take in the last pass, ``lengths[i]`` tokens of the cache's ``rows[i]``: the first ``counts[i]`` of these.

        Gives what :meth:`activity` does.
        """
        return self.activity(lengths, counts)

    def learn_first(self, row: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """As :meth:`learn` for a pass of one row, where only the device knows ``row[1]`` and ``count[1]``."""
        return self.activity_of_first(count)

    def catch_up(self) -> None:
        """Take in what has been put off."""

    def activity(self, lengths: Sequence[int], counts: Sequence[int]) -> list[tuple[float, ...]]:
        """The participation ratio of each layer's neurons, from 1/F (one does it all) to 1 (all do the same).

        For each row of the pass, which had ``lengths[i]`` tokens, averaged over the first ``counts[i]`` of them:
        ``(sum h^2)^2 / (F sum h^4)``.
        """
        means = [
            torch.stack([_ratios(squares).mean() for squares in layers]) for layers in self._squares(lengths, counts)
        ]
        return [tuple(layers) for layers in torch.stack(means).tolist()]

    def activity_of_first(self, count: torch.Tensor) -> torch.Tensor:
        """As :meth:`activity` for a pass of one row, ``fp64[L]``, where only the device knows ``count[1]``."""
        ratios = torch.stack([_ratios(squares) for squares in self._layers(slice(None))]).double()
        return (ratios * first(count, ratios.shape[1])).sum(-1) / count

    def _squares(self, lengths: Sequence[int], counts: Sequence[int]) -> Iterator[Iterator[torch.Tensor]]:
        """For each row of the pass the squared activations ``[counts[i], F]`` of every layer, one at a time."""
        for end, length, count in zip(accumulate(lengths), lengths, counts, strict=True):
            yield self._layers(slice(end - length, end - length + count))

    def _layers(self, tokens: slice) -> Iterator[torch.Tensor]:
        for hidden in self._seen:
            yield hidden[tokens].float().square()


def first(count: torch.Tensor, tokens: int) -> torch.Tensor:
    """``bool[tokens]``: the first ``count[1]`` of them."""
    return torch.arange(tokens, device=count.device) < count


def _ratios(squares: torch.Tensor) -> torch.Tensor:
    """``[T, F]`` squared activations -> ``[T]``."""
    return squares.sum(-1).square() / squares.square().sum(-1).clamp_min(_TINY) / squares.shape[-1]
