"""Trees of tokens at random, as attention takes them."""

import torch


def random_parents(nodes, generator):
    """The parent of each node: any that came before it; the root has none."""
    return [-1, *(int(torch.randint(0, node, (), generator=generator)) for node in range(1, nodes))]


def paths_of(parents):
    """``int32[nodes, deepest + 1]``: the nodes from the root to each, then -1."""
    paths = []
    for node, parent in enumerate(parents):
        paths.append([*(paths[parent] if node else []), node])
    longest = max(map(len, paths))
    return torch.tensor([path + [-1] * (longest - len(path)) for path in paths], dtype=torch.int32)
