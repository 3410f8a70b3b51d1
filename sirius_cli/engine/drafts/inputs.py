"""What the matrices of a model are multiplied with while it reads a text."""

from collections.abc import Iterator, Sequence

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder
from sirius_kernels.block.op import MlpBlock

Inputs = dict[str, torch.Tensor]


@torch.inference_mode()
def inputs_on(model: Decoder, text: Sequence[int]) -> Iterator[Inputs]:
    """Run ``text``, ``T`` tokens, and give what each matrix meets, a layer at a time.

    By the names of :class:`sirius_cli.engine.drafts.quantised.LayerCopy`: ``qkv[T, D]``, ``out[T, H d]``,
    ``gate_up[T, D]`` and ``down_t[T, F]`` of every layer, then ``head[T, D]``. What lies behind a layer is computed
    when it is asked for, so that only one layer's are in memory.
    """
    device = model.weights.embedding.device
    cache = KVCache(model.config, 1, len(text), dtype=model.dtype, device=device)
    tokens, start = (torch.tensor(ids, device=device) for ids in ([list(text)], [0]))
    taken = _Taken()
    passing = model.passing(tokens, start, cache, mlp=taken.run_mlp, watch=taken.watch)
    for _layer in model.config.layers:
        next(passing)
        yield taken.inputs
    yield {"head": next(passing).flatten(0, 1)}


class _Taken:
    """The inputs of the layer that has been run last."""

    def __init__(self) -> None:
        self.inputs: Inputs = {}

    def watch(self, x: torch.Tensor, mixed: torch.Tensor) -> None:
        # Without a norm in between, x is what the branches are added to.
        self.inputs = {"qkv": x.clone(), "out": mixed}

    def run_mlp(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        block.watched(x, self._take)

    def _take(self, x: torch.Tensor, hidden: torch.Tensor) -> None:
        self.inputs |= {"gate_up": x.clone(), "down_t": hidden}
