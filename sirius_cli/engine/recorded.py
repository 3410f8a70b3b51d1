"""What a GPU records once and replays where windows depend on what tokens turn out to be: passes, and what they teach.

A pass is hundreds of launches, which take the host longer than the GPU takes to run them. A whole window as one program
(:mod:`sirius_cli.engine.programmed`) spares the most, but it can neither look anything up, nor end a draft in doubt,
nor sample, nor change its size, nor grow a tree, nor work on several texts. The plain loops do all of that over these
recordings: they ask the GPU once a pass what the tokens are.
"""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Final

import torch

from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner
from sirius_cli.engine.replay import GraphMemory, Replay

_MOST_TOKENS: Final = 128  # of a recorded pass; launching one of more takes no longer than it runs


class Recordings:
    """The recorded passes over one ``cache``, by shape. Smaller ones are padded: that costs a GPU next to nothing.

    ``path`` is the length of the longest path of a tree, in tokens; 0 where there are no trees.
    """

    def __init__(self, cache: KVCache, path: int = 0) -> None:
        self._cache, self._path = cache, path
        self._memory = GraphMemory()
        self._passes: dict[tuple[Decoder, MlpRunner, int, int, int], RecordedPass] = {}
        self._lessons: dict[tuple[Watch, int], RecordedLesson] = {}
        self._choices: dict[DraftPolicy, Replay[None]] = {}

    @property
    def _several(self) -> bool:
        return len(self._cache.lengths) > 1

    def prepare(self, model: Decoder, mlp: MlpRunner, steps: int, *, tree: bool = False) -> None:
        """Let a GPU record passes of up to ``steps`` tokens, which are written behind the text, and what they teach.

        Those of several texts have too many shapes: they are recorded when they turn up.
        """
        if self._several:
            return
        (start,) = self._cache.lengths
        for size in _sizes(steps):
            if start + size <= self._cache.capacity:
                found = self._recorded(model, mlp, 1, size, tree=tree)
                found.prepare(start)
                if isinstance(mlp, Watch) and found.sight is not None:
                    self._lesson(mlp, found.sight, size).prepare()

    def prepare_choice(self, policy: DraftPolicy) -> None:
        """Let a GPU record what :meth:`checked` does, where it is always the same."""
        if policy.chooses_at_checks and not self._several:
            self._choice(policy).prepare()

    def run(
        self,
        model: Decoder,
        places: Sequence[int],
        windows: Sequence[Sequence[int]],
        starts: Sequence[int],
        mlp: MlpRunner,
        tree: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As :func:`run_rows`, until the next pass. What is large, or leaves no room for padding, is run as it is."""
        rows = min(_padded(len(windows)), len(self._cache.lengths))
        steps = _padded(max(map(len, windows)))
        if rows * steps > _MOST_TOKENS or max(starts) + steps > self._cache.capacity:
            return run_rows(model, self._cache, places, windows, starts, mlp, tree=tree)
        return self._recorded(model, mlp, rows, steps, tree=tree is not None)(places, windows, starts, tree)

    def learn(
        self, watch: Watch, places: Sequence[int], lengths: Sequence[int], counts: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """As :meth:`Watch.learn`."""
        sight, first, activity = watch.sight, 0, []
        for place, length, count in zip(places, lengths, counts, strict=True):
            activity.append(self._lesson(watch, sight, count)(sight[:, first : first + count], place))
            first += length
        watch.sight = sight[:, :0]
        return activity

    def checked(self, policy: DraftPolicy, place: int) -> None:
        """As :meth:`DraftPolicy.checked`."""
        if policy.chooses_at_checks and not self._several:
            self._choice(policy)()
        else:
            policy.checked(place)

    def _recorded(self, model: Decoder, mlp: MlpRunner, rows: int, steps: int, *, tree: bool) -> "RecordedPass":
        path = self._path if tree else 0
        key = model, mlp, rows, steps, path
        if key not in self._passes:
            self._passes[key] = RecordedPass(model, self._cache, mlp, rows, steps, path, self._memory)
        return self._passes[key]

    def _choice(self, policy: DraftPolicy) -> Replay[None]:
        if policy not in self._choices:
            self._choices[policy] = Replay(partial(policy.checked, 0), policy.state, self._memory)
        return self._choices[policy]

    def _lesson(self, watch: Watch, sight: torch.Tensor, count: int) -> "RecordedLesson":
        size = _padded(count)
        if (watch, size) not in self._lessons:
            self._lessons[watch, size] = RecordedLesson(watch, sight, size, self._memory)
        return self._lessons[watch, size]


class RecordedPass:
    """A pass of up to ``rows`` texts and ``steps`` tokens of each, over buffers that stay in place.

    Rows are padded with copies of the first, which write what it writes; their tokens with any, behind their end.
    ``path`` is that of the nodes of a tree; 0: a chain. ``sight`` is what there was to see for a runner that watches.
    """

    def __init__(
        self, model: Decoder, cache: KVCache, mlp: MlpRunner, rows: int, steps: int, path: int, memory: GraphMemory
    ) -> None:
        self._model, self._cache, self._mlp = model, cache, mlp
        self._rows, self._steps, self._path = rows, steps, path
        sizes = [rows * steps, rows, rows, steps * path]
        self._given = torch.zeros(sum(sizes), dtype=torch.int64, device=model.weights.head.device)
        ids, self._places, self._starts, nodes = torch.split(self._given, sizes)
        self._ids, self._nodes = ids.view(rows, steps), nodes.view(steps, path)
        self.sight: torch.Tensor | None = None
        self._replay = Replay(self.run, (self._given,), memory)

    def prepare(self, start: int) -> None:
        """Let a GPU record it, with tokens that are written from slot ``start`` of the first text on."""
        self._starts.fill_(start)
        self._replay.prepare()

    def __call__(
        self,
        places: Sequence[int],
        windows: Sequence[Sequence[int]],
        starts: Sequence[int],
        tree: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The logits ``fp32[sum of lengths, V]`` after every token of ``windows``, until the next call.

        A runner that watches is shown what there was to see of the same tokens.
        """
        ids = [[*window, *[0] * (self._steps - len(window))] for window in windows]
        more = range(self._rows - len(windows))
        lines = [*ids, *(ids[0] for _ in more)]
        rows = [*places, *(places[0] for _ in more), *starts, *(starts[0] for _ in more)]
        given = [*chain.from_iterable(lines), *rows, *self._paths(tree)]
        self._given.copy_(torch.tensor(given))
        tokens = self._tokens([*map(len, windows)])
        logits = self._replay()[tokens]
        if isinstance(self._mlp, Watch) and self.sight is not None:
            self._mlp.sight = self.sight[:, tokens].clone()
        return logits

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        """What is recorded."""
        rows = self._places if len(self._cache.lengths) > 1 else None
        tree = self._nodes.int() if self._path else None
        hidden = self._model.run(self._ids, self._starts, self._cache, rows=rows, mlp=self._mlp, tree=tree)
        if isinstance(self._mlp, Watch):
            self.sight = self._mlp.sight
        return self._model.logits(hidden.flatten(0, 1))

    def _tokens(self, lengths: Sequence[int]) -> "slice | torch.Tensor":
        """Where the tokens of ``lengths`` are, one row's after the other's, among all that are run."""
        if len(lengths) == 1 or min(lengths) == self._steps:
            return slice(sum(lengths))
        places = [row * self._steps + step for row, length in enumerate(lengths) for step in range(length)]
        return torch.tensor(places, device=self._given.device)

    def _paths(self, tree: torch.Tensor | None) -> list[int]:
        """``tree`` with longer paths, and with nodes behind its own that nothing sees: children of the root."""
        if tree is None:
            return []
        found: list[list[int]] = tree.tolist()
        first = max(found[0])
        found += [[0, first + step] for step in range(len(found), self._steps)]
        return [node for path in found for node in (path + [-1] * self._path)[: self._path]]


class RecordedLesson:
    """What a check of a text shows ``watch`` on up to ``size`` tokens."""

    def __init__(self, watch: Watch, sight: torch.Tensor, size: int, memory: GraphMemory) -> None:
        self._watch = watch
        self._seen = torch.zeros_like(sight[:, :1].expand(-1, size, -1))
        self._count, self._place = (torch.zeros(1, dtype=torch.int64, device=sight.device) for _ in range(2))
        self._replay = Replay(self.run, (self._count, *watch.state), memory)

    def prepare(self) -> None:
        """Let a GPU record it."""
        self._watch.catch_up()
        self._replay.prepare()

    def __call__(self, sight: torch.Tensor, place: int) -> tuple[float, ...]:
        """The activity of each layer on the tokens of ``sight[L, T, F]``, which the text of row ``place`` holds."""
        self._seen[:, : sight.shape[1]] = sight
        self._count.fill_(sight.shape[1])
        self._place.fill_(place)
        self._watch.catch_up()
        return tuple(self._replay().tolist())

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        """What is recorded."""
        self._watch.sight = self._seen
        return self._watch.learn_first(self._place, self._count)


def _padded(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()


def _sizes(steps: int) -> list[int]:
    """The sizes of recorded passes of up to ``steps`` tokens."""
    return [1 << power for power in range(_padded(min(steps, _MOST_TOKENS)).bit_length())]
