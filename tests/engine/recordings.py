"""Watching what a program does, for the conditions of a CUDA graph."""

from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sirius_cli.engine.replay import Replay

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


def emulated(found=None):
    """Let programs behave as if recorded, for a ``with``."""
    found = found or Emulated()
    return patch.object(Replay, "__call__", lambda replay: found(replay))


class Emulated:
    """What a GPU does with a recorded program, as far as Python can tell: in place of ``Replay.__call__``.

    The first call records: what Python does then, it does once. Every later one fills the memory of the tensors that
    came of it, and changes nothing else. Results of one program are gone once another has run, for they share memory.
    """

    def __init__(self):
        self.recorded, self.results, self.replays = {}, [], 0

    @torch.inference_mode()
    def __call__(self, replay):
        for result in self.results:
            result.fill_(float("nan"))
        owner = getattr(replay._program, "func", replay._program).__self__
        used = (owner, *(getattr(owner, name, None) for name in ("_mlp", "_watch", "_policy", "_statistic")))
        mine = [one for one in used if hasattr(one, "__dict__")]
        before = [dict(vars(one)) for one in mine]
        result = replay._program()
        if replay not in self.recorded:
            self.recorded[replay] = result, getattr(owner, "sight", None)
        else:
            self.replays += 1
            for held, made in zip(self.recorded[replay], (result, getattr(owner, "sight", None)), strict=True):
                if held is not None:
                    held.copy_(made)
            for one, state in zip(mine, before, strict=True):
                vars(one).update(state)
        result = self.recorded[replay][0]
        self.results = [result] if isinstance(result, torch.Tensor) else []
        return result
