"""How likely a given text is, for tasks that score answers instead of writing them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner


@dataclass(frozen=True, slots=True)
class Score:
    """``logprob`` of a continuation in nats, summed over its tokens; ``greedy`` says whether each is the likeliest."""

    logprob: float
    greedy: bool


def score_behind(
    model: Decoder, cache: KVCache, first: torch.Tensor, continuation: Sequence[int], mlp: MlpRunner
) -> Score:
    """Score ``continuation`` behind the committed tokens of ``cache``'s only row, which gave the logits ``first[V]``.

    Its tokens are run by ``mlp`` in one pass, which leaves nothing committed.
    """
    if not continuation:
        return Score(0.0, True)
    logits = first[None]
    if len(continuation) > 1:
        rest = run_rows(model, cache, [0], [continuation[:-1]], [cache.lengths[0]], mlp)
        logits = torch.cat([logits, rest])
    wanted = torch.tensor(continuation, device=logits.device)
    chosen = logits.float().log_softmax(-1).gather(1, wanted[:, None])
    return Score(float(chosen.double().sum()), bool((logits.argmax(-1) == wanted).all()))
