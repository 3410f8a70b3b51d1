"""A static KV cache. Rows have their own lengths; dropping tokens is moving a length back."""

from collections.abc import Sequence

import torch

from sirius_cli.engine.models.config import DecoderConfig


class KVCache:
    """Keys and values of ``rows`` texts: per layer ``k[layer]`` and ``v[layer]``, each ``[rows, Hkv, capacity, d]``.

    ``lengths[row]`` tokens of a row are committed. Slots beyond hold leftovers or nothing: they are written before
    they are read, because a token's own slot is the last one that it attends to.
    """

    def __init__(
        self,
        config: DecoderConfig,
        rows: int,
        capacity: int,
        *,
        dtype: torch.dtype,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (rows, config.kv_heads, capacity, config.head_dim)
        self.capacity = capacity
        self._config = config
        self.lengths = [0] * rows
        self.k = [torch.empty(shape, dtype=dtype, device=device) for _ in config.layers]
        self.v = [torch.empty(shape, dtype=dtype, device=device) for _ in config.layers]

    @property
    def bytes(self) -> int:
        """Memory that the cache may come to use."""
        return sum(tensor.nbytes for tensor in (*self.k, *self.v))

    def expect_room(self, starts: Sequence[int], steps: int) -> None:
        """Raise ``IndexError`` unless ``steps`` tokens fit behind every one of ``starts``."""
        if max(starts) + steps > self.capacity:
            raise IndexError(f"KV cache: {steps} tokens from position {max(starts)} exceed {self.capacity} slots")

    def enlarged(self, capacity: int) -> "KVCache":
        """A cache of more slots with the same committed tokens."""
        larger = KVCache(self._config, len(self.lengths), capacity, dtype=self.k[0].dtype, device=self.k[0].device)
        larger.lengths = list(self.lengths)
        used = max(self.lengths)
        for old, new in zip((*self.k, *self.v), (*larger.k, *larger.v), strict=True):
            new[:, :, :used] = old[:, :, :used]
        return larger

    def begin(self, row: int, prefix: "KVCache | None") -> None:
        """Let ``row`` hold another text: none, or the committed tokens of ``prefix``'s only row."""
        self.lengths[row] = length = 0 if prefix is None else prefix.lengths[0]
        if prefix is not None:
            for theirs, ours in zip((*prefix.k, *prefix.v), (*self.k, *self.v), strict=True):
                ours[row, :, :length] = theirs[0, :, :length]

    def mark(self, row: int) -> int:
        """The committed length of ``row``, to :meth:`rewind` to."""
        return self.lengths[row]

    def advance(self, row: int, tokens: int) -> None:
        """Commit the next ``tokens`` slots of ``row``, which a pass has written."""
        if not 0 <= tokens <= self.capacity - self.lengths[row]:
            raise IndexError(f"KV cache: {self.lengths[row]} + {tokens} tokens in {self.capacity} slots")
        self.lengths[row] += tokens

    def gather(self, row: int, places: Sequence[int]) -> None:
        """Move what a pass wrote for ``row``, ``places`` slots behind its committed tokens, to right behind them.

        ``places`` ascend: a path through a tree.
        """
        length = self.lengths[row]
        if list(places) == list(range(len(places))):
            return
        slots = length + torch.tensor(places, device=self.k[0].device)
        for tensor in (*self.k, *self.v):
            tensor[row, :, length : length + len(places)] = tensor[row, :, slots]

    def rewind(self, row: int, length: int) -> None:
        """Drop the tokens of ``row`` beyond ``length``."""
        if not 0 <= length <= self.lengths[row]:
            raise IndexError(f"KV cache: cannot rewind row {row} from {self.lengths[row]} to {length} tokens")
        self.lengths[row] = length
