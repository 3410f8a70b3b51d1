"""What a check keeps of a tree: one path from the root, and the dense token behind it."""

from dataclasses import dataclass

import torch

from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.engine.acceptance import accepts
from sirius_cli.engine.sampling import Chooser
from sirius_cli.engine.trees.tree import Tree


@dataclass(frozen=True, slots=True)
class Walk:
    """``path`` are the accepted nodes, the root first; ``token`` is the dense token after the last of them."""

    path: tuple[int, ...]
    token: int


def walk(spec: CorrectionSpec, chooser: Chooser, logits: torch.Tensor, tree: Tree) -> Walk:
    """Apply the profile's rule to ``tree`` under the dense ``logits[len(tree), V]`` after each node."""
    return _followed(chooser, logits, tree) if spec.accept == "exact" else _farthest(spec, chooser, logits, tree)


def _followed(chooser: Chooser, logits: torch.Tensor, tree: Tree) -> Walk:
    """Choose as dense decoding does, and go where the tree has it: what is chosen does not depend on the tree.

    So the text is that of dense decoding when greedy, and distributed like it when sampling.
    """
    path = [0]
    while True:
        token = chooser.choose(logits[path[-1]])[0]
        following = [child for child in tree.children(path[-1]) if tree.nodes[child].token == token]
        if not following:
            return Walk(tuple(path), token)
        path += following


def _farthest(spec: CorrectionSpec, chooser: Chooser, logits: torch.Tensor, tree: Tree) -> Walk:
    """The longest path of tokens that the rule accepts; of equally long ones the likeliest to the dense model."""
    parents = torch.tensor([node.parent for node in tree.nodes[1:]], device=logits.device)
    tokens = torch.tensor([node.token for node in tree.nodes[1:]], device=logits.device)
    before = logits[parents]
    kept = accepts(spec, before, tokens).tolist()
    likely = before.log_softmax(-1).gather(1, tokens[:, None])[:, 0].tolist()
    reached = {0: (0, 0.0)}  # by node: its depth, and the logarithm of the dense probability of its path
    for number, (node, good, score) in enumerate(zip(tree.nodes[1:], kept, likely, strict=True), start=1):
        if good and node.parent in reached:
            reached[number] = (node.depth, reached[node.parent][1] + score)
    last = max(reached, key=lambda number: reached[number])
    return Walk(tuple(tree.path(last)), chooser.choose(logits[last])[0])
