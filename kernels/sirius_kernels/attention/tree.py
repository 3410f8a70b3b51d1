"""What a tree of tokens says, as :func:`sirius_kernels.attention.op.attention` takes it: ``int32[T, M]`` paths."""

import torch


def depths(tree: torch.Tensor) -> torch.Tensor:
    """``int64[T]``: how many nodes are above each token."""
    return (tree >= 0).sum(1) - 1


def roots(start: torch.Tensor, tree: torch.Tensor) -> torch.Tensor:
    """``int64[R]``: the slot, and the position, of the root where a pass writes from slot ``start[R]`` on."""
    return start - tree[0].max()  # nodes are numbered downwards: the first token is the last of its path
