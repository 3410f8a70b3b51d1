"""How much each layer of a model has to do with what skipping neurons costs, on a text."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import torch

from sirius_cli.engine.backend import Ops
from sirius_cli.engine.drafts.policy import kept_neurons
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_kernels.block.op import MlpBlock


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What skipping neurons of one layer costs at the fraction asked for.

    Costs are Kullback-Leibler divergences of the model's next tokens from the dense ones, in nats, averaged over
    tokens: ``alone`` with this layer sparse and all others dense; ``among`` is how much more it is with all sparse than
    with all but this one. ``errors`` are the mean squared errors of the MLP's output at a few keeps, over that at the
    fraction asked for.
    """

    alone: float
    among: float
    errors: tuple[float, ...]

    @property
    def share(self) -> float:
        """Of what it costs that all layers are sparse: the mean of what this one adds as the first and as the last.

        Small errors cost their square, and errors of two layers their product besides, whose halves these shares give
        to both. Then they add up to the whole (they are Shapley's values).
        """
        return max(0.0, (self.alone + self.among) / 2)

    @property
    def losses(self) -> tuple[float, ...]:
        """The share at each of the keeps, were it proportional to the squared error of the output."""
        return tuple(self.share * error for error in self.errors)


@torch.inference_mode()
def sensitivities(
    model: Decoder, texts: Sequence[Sequence[int]], behind: int, keep: float, keeps: Sequence[float]
) -> Iterator[Sensitivity]:
    """Those of every layer, the first one first. Each is measured when it is asked for.

    As in decoding, neurons are chosen for each text by what is read ahead; what they cost shows on its last tokens.

    Args:
        texts: tokens, as many in each, and more than ``behind``.
        behind: the last tokens of each that are measured on.
        keep: the fraction at which divergences are measured, below 1.
        keeps: the fractions at which errors are measured.
    """
    device, rows, length = model.weights.embedding.device, range(len(texts)), len(texts[0])
    cache = KVCache(model.config, len(texts), length, dtype=model.dtype, device=device)
    scores = _scores(model, cache, [text[: length - behind] for text in texts])
    last, starts = [text[length - behind :] for text in texts], [length - behind] * len(texts)
    errors = _Errors(scores, (keep, *keeps))
    dense = run_rows(model, cache, rows, last, starts, errors).log_softmax(-1)
    masks = _masks(scores, keep)

    def cost(sparse: Set[int]) -> float:
        got = run_rows(model, cache, rows, last, starts, _Sparse(masks, sparse)).log_softmax(-1)
        return float((dense.exp() * (dense - got)).sum(-1).mean())

    layers = set(range(len(masks)))
    whole = cost(layers)
    for layer, (reference, *others) in enumerate(errors.found):
        among = whole - cost(layers - {layer})
        # A layer whose skipped neurons were silent, as ReLU may have it, has no scale; its share is nothing either.
        scale = reference or max(others) or 1.0
        yield Sensitivity(cost({layer}), among, tuple(error / scale for error in others))


def _scores(model: Decoder, cache: KVCache, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """``[L, R, F]``: the coarse statistic of ``texts``, which stand in ``cache`` then."""
    statistic = NeuronStatistic(model.down_norms, len(texts))
    for row, text in enumerate(texts):  # one by one: all activations of a pass are in memory
        run_rows(model, cache, [row], [text], [0], statistic, last_only=True)
        statistic.fold([row], [len(text)], [len(text)])
    return statistic.scores


def _masks(scores: torch.Tensor, keep: float) -> torch.Tensor:
    """``[L, R, F]`` scores -> 1 for the best of each row, 0 for the others."""
    best = scores.topk(kept_neurons(keep, scores.shape[-1]), dim=-1).indices
    return torch.zeros_like(scores).scatter_(-1, best, 1.0)


class _Sparse:
    """Runs all MLPs densely but those of ``layers``, where each row of the pass has its own of ``masks[L, R, F]``."""

    def __init__(self, masks: torch.Tensor, layers: Set[int]) -> None:
        self._masks, self._layers = masks, layers

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        if layer not in self._layers:
            dense_mlp(layer, x, block, ops)
            return
        masks = self._masks[layer]
        mask = masks.repeat_interleave(len(x) // len(masks), 0)
        block.watched(x, lambda _, hidden: hidden.mul_(mask))


class _Errors:
    """Runs all MLPs densely; ``found`` are the mean squared errors of their outputs, by layer and keep."""

    def __init__(self, scores: torch.Tensor, keeps: Sequence[float]) -> None:
        self._orders = scores.argsort(-1, descending=True)
        self._keeps = keeps
        self.found: list[list[float]] = []

    def __call__(self, layer: int, x: torch.Tensor, block: MlpBlock, ops: Ops) -> None:
        down_t = block.weights.down_t
        assert isinstance(down_t, torch.Tensor)
        block.watched(x, lambda _, hidden: self.found.append(self._errors(hidden.float(), down_t, self._orders[layer])))

    def _errors(self, hidden: torch.Tensor, down_t: torch.Tensor, orders: torch.Tensor) -> list[float]:
        """Of ``hidden[N, F]``, the tokens of one row after the other's; ``orders[R, F]`` lists the best first."""
        counts = [kept_neurons(keep, hidden.shape[1]) for keep in self._keeps]
        sums = dict.fromkeys(counts, 0.0)
        for tokens, order in zip(hidden.chunk(len(orders)), orders, strict=True):
            end, lost = len(order), torch.zeros(len(tokens), down_t.shape[1], device=hidden.device)
            for count in sorted(sums, reverse=True):
                skipped = order[count:end]
                lost += tokens[:, skipped] @ down_t[skipped].float()
                sums[count] += float(lost.square().sum())
                end = count
        return [sums[count] / len(hidden) for count in counts]
