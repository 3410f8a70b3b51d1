"""Watching what a program does, for the conditions of a CUDA graph."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS_BY_THE_HOST = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "lift_fresh"}


class Recording(TorchDispatchMode):
    """Writes down every operation with the shapes and places of what it takes."""

    def __init__(self, lasting):
        super().__init__()
        self.lasting = {tensor.untyped_storage().data_ptr(): number for number, tensor in enumerate(lasting)}
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in READS_BY_THE_HOST, f"{name} waits for the device"
        tensors = [one for one in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        others = [one for one in torch.utils._pytree.tree_leaves((args, kwargs)) if not isinstance(one, torch.Tensor)]
        places = [self.lasting.get(tensor.untyped_storage().data_ptr()) for tensor in tensors]
        self.seen.append((name, [tuple(tensor.shape) for tensor in tensors], places, repr(others)))
        return func(*args, **(kwargs or {}))
