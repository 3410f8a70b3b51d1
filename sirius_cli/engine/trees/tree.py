"""A tree of drafted tokens behind a text. Plain data."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Node:
    """A token behind its ``parent``, the number of another node; -1 for the root.

    ``probability`` is the draft's own, ``score`` the sum of the logarithms of those from the root on.
    """

    token: int
    parent: int
    depth: int
    probability: float
    score: float


class Tree:
    """Nodes by number, each after its parent. Node 0, the root, is the newest committed token.

    A node's number is its slot in the cache, from the root's on, while the tree is drafted and checked.
    """

    def __init__(self, root: int) -> None:
        self.nodes = [Node(root, -1, 0, 1.0, 0.0)]

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def depth(self) -> int:
        """Of the deepest node."""
        return max(node.depth for node in self.nodes)

    def add(self, parent: int, token: int, probability: float, score: float) -> int:
        """Let ``token`` follow ``parent``. Gives its number."""
        self.nodes.append(Node(token, parent, self.nodes[parent].depth + 1, probability, score))
        return len(self.nodes) - 1

    def children(self, number: int) -> list[int]:
        """What follows a node, in the order of their numbers."""
        return [child for child, node in enumerate(self.nodes) if node.parent == number]

    def path(self, number: int) -> list[int]:
        """The nodes from the root to ``number``, both included."""
        path = [number]
        while (parent := self.nodes[path[-1]].parent) >= 0:
            path.append(parent)
        return path[::-1]

    def tokens(self, numbers: Sequence[int]) -> list[int]:
        """The tokens of these nodes."""
        return [self.nodes[number].token for number in numbers]

    def continued(self, number: int) -> list[int]:
        """The nodes after ``number`` that the draft would have gone on with: always the child of the best score."""
        found: list[int] = []
        while children := self.children(found[-1] if found else number):
            found.append(max(children, key=lambda child: self.nodes[child].score))
        return found

    def paths(self, numbers: Sequence[int]) -> torch.Tensor:
        """The paths to these nodes as ``int32[N, M]``, as :func:`sirius_kernels.attention.op.attention` takes them."""
        longest = max(self.nodes[number].depth for number in numbers) + 1
        return torch.tensor(
            [path + [-1] * (longest - len(path)) for path in map(self.path, numbers)], dtype=torch.int32
        )
