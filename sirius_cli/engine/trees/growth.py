"""Beam search whose every node is kept: how a draft makes a tree."""

import math
from collections.abc import Callable, Sequence

import torch

from sirius_cli.engine.trees.tree import Tree

Ends = Callable[[Sequence[int]], bool]
"""Whether a path, given as the tokens behind the root, ends the text."""


class Growth:
    """A tree that grows level by level, up to ``width`` nodes each and ``limit`` levels, by a draft's best paths.

    A path's score is the draft's probability of all of it. One is followed beside the best of its level if it has at
    least ``split`` times that score, so that a draft that is sure of itself goes on as a chain (a relative form of the
    dynamic trees of Li et al., EAGLE-2, arXiv 2406.16858). Paths that end the text are not continued. The tree is done
    once the best of all paths has ended, or all paths that are left together are less likely than ``confidence``: with
    a width of 1 these are the ends of a drafted chain.
    """

    def __init__(self, root: int, width: int, split: float, limit: int, confidence: float) -> None:
        self.tree = Tree(root)
        self.level = [0]
        self._width, self._limit, self._confidence = width, limit, confidence
        self._margin = -math.log(split) if split else math.inf
        self._open = {0}
        self._closed: list[int] = []

    @property
    def goes_on(self) -> bool:
        """Whether the tokens of ``level`` are worth a step."""
        if self.tree.nodes[self.level[0]].depth >= self._limit or not self._open:
            return False
        live, closed = self._scores(self._open), self._scores(self._closed)
        if closed and max(closed) >= max(live):
            return False
        return sum(map(math.exp, (*live, *closed))) >= self._confidence

    def extend(self, logits: torch.Tensor, ends: Ends) -> None:
        """Add a level by the draft's ``logits[N, V]`` after the ``N`` tokens of the present one."""
        rows = [row for row, node in enumerate(self.level) if node in self._open]
        parents = [self.level[row] for row in rows]
        likely, tokens = logits[rows].log_softmax(-1).topk(min(self._width, logits.shape[-1]))
        scores = likely + torch.tensor(self._scores(parents), dtype=torch.double, device=logits.device)[:, None]
        best, places = scores.flatten().topk(min(self._width, scores.numel()))
        places = places[best >= best[0] - self._margin]
        found = zip(
            places.tolist(), scores.flatten()[places].tolist(), tokens.flatten()[places].tolist(),
            likely.flatten()[places].exp().tolist(), strict=True,
        )  # fmt: skip
        across = tokens.shape[1]
        self.level = [self.tree.add(parents[at // across], token, p, score) for at, score, token, p in found]
        done = [node for node in self.level if ends(self.tree.tokens(self.tree.path(node)[1:]))]
        self._closed += done
        self._open = set(self.level).difference(done)

    def _scores(self, nodes: Sequence[int] | set[int]) -> list[float]:
        return [self.tree.nodes[node].score for node in nodes]
