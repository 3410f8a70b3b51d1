"""How far quantised copies are from their model: token by token, behind the dense model's own answers.

    python docs/results/measure_copies.py --model FOLDER --data QUESTIONS.jsonl [--shots SHOTS.jsonl]

Dense decoding answers the questions. Then every format reads those texts, and its most likely token at each place is
compared with the dense one. A line of JSON a format on standard output: the share of places where they agree, the
Kullback-Leibler divergence in nats, the tokens that a lossless check would commit of windows of each size, the reckoned
time of a token over a dense step by window and confidence, the loss of each kind of matrix (averaged over layers), and
the seconds that rounding took. A format may keep some matrices in int8: `int4-g32+head`, `int4-g32+down_t`,
`int4-g32+qkv+out`; `int4-g32~plain` is rounded without looking at inputs.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from dense_answers import answered, load, prompts

_PASS = 32  # tokens
_WINDOWS = (8, 12, 16, 24)
_CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.4)
_STEPS = {4: 0.19, 8: 0.36}  # time of a draft step over a dense one, by bits, and what each more token adds to a
_CHECK = 0.03  # check: docs/results/quantised.md, machine A, 1.5B model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shots", type=Path, help="one solved example goes ahead; without, questions are chats")
    parser.add_argument("--limit", type=int, default=6, help="questions")
    parser.add_argument("--tokens", type=int, default=128, help="longest answer")
    parser.add_argument("--formats", nargs="+", default=["int8-g64", "int4-g32", "int4-g128"])
    args = parser.parse_args()
    engine = load(args.model)
    stop = () if args.shots is None else ("\n\n",)
    texts = [answered(engine, prompt, args.tokens, stop) for prompt in prompts(engine, args)]
    dense = [_logits(engine.model, *text) for text in texts]
    for name in args.formats:
        json.dump({"format": name, **_measure(engine, name, texts, dense)}, sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()


def _logits(model: Any, ids: list[int], start: int) -> Any:
    """What ``model`` gives for every place from ``start`` on, ``fp32[T, V]``."""
    import torch

    from sirius_cli.engine.forward import run_rows
    from sirius_cli.engine.kv_cache import KVCache
    from sirius_cli.engine.models.decoder import dense_mlp

    cache, parts = KVCache(model.config, 1, len(ids), dtype=torch.float32, device=torch.device("cpu")), []
    with torch.inference_mode():
        for first in range(0, len(ids) - 1, _PASS):
            part = ids[first : min(first + _PASS, len(ids) - 1)]
            parts.append(run_rows(model, cache, [0], [part], [first], dense_mlp))
            cache.advance(0, len(part))
    return torch.cat(parts)[start - 1 :]


def _measure(engine: Any, name: str, texts: list[tuple[list[int], int]], dense: list[Any]) -> dict[str, Any]:
    from sirius_cli.engine.drafts.making import copy_of, rounded_parts
    from sirius_cli.engine.drafts.quantised import over
    from sirius_cli.services.sample_text import sample_of

    found, sample = _format(name), [] if name.endswith("~plain") else sample_of(engine.tokens)
    step, start = _STEPS[found.bits], time.perf_counter()
    parts = list(rounded_parts(engine.model, found, sample))
    seconds, copy = time.perf_counter() - start, over(engine.model, copy_of(parts, found))
    agreed, divergence, runs = [], [], []
    for text, expected in zip(texts, dense, strict=True):
        got = _logits(copy, *text)
        same = (got.argmax(-1) == expected.argmax(-1)).tolist()
        agreed += same
        runs.append((same, got.softmax(-1).amax(-1).tolist()))
        p, q = expected.log_softmax(-1), got.log_softmax(-1)
        divergence += (p.exp() * (p - q)).sum(-1).tolist()

    def windows(size: int, confidence: float) -> list[tuple[int, int]]:
        return [one for same, sure in runs for one in _windows(same, sure, size, confidence)]

    losses: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        for matrix, rounded in part.items():
            losses[matrix].append(rounded.loss)
    return {
        "tokens": len(agreed), "agreement": fmean(agreed), "divergence": fmean(divergence), "seconds": seconds,
        "aal": {size: round(fmean(n for _, n in windows(size, 0.0)), 2) for size in _WINDOWS},
        "cost": {f"{n}, {c:g}": round(_cost(windows(n, c), step), 3) for n in _WINDOWS for c in _CONFIDENCES},
        "losses": {matrix: round(fmean(values), 5) for matrix, values in losses.items()},
    }  # fmt: skip


def _format(name: str) -> Any:
    """The format of ``int4-g32+head+out~plain``: these in int8."""
    from sirius_cli.engine.drafts.quantised import CopyFormat

    base, *better = name.removesuffix("~plain").split("+")
    bits, group = base.removeprefix("int").split("-g")
    return CopyFormat(int(bits), int(group), by_neuron=False, int8=tuple(better))


def _windows(same: list[bool], sure: list[float], window: int, confidence: float) -> list[tuple[int, int]]:
    """What each window of that size drafts and its check commits, were the draft's tokens right just where ``same``.

    It ends early once the draft's own probabilities, ``sure``, multiply to less than ``confidence``.
    """
    found, at = [], 0
    while at < len(same):
        drafted, together = 0, 1.0
        while drafted < min(window - 1, len(same) - at) and together >= confidence:
            together *= sure[at + drafted]
            drafted += 1
        refused = [place for place in range(drafted) if not same[at + place]]
        right = refused[0] if refused else drafted
        found.append((drafted, min(right + 1, len(same) - at)))
        at += right + 1
    return found


def _cost(windows: list[tuple[int, int]], step: float) -> float:
    """Dense steps a token: a draft step takes ``step`` of one, a check of ``n`` tokens ``1 + _CHECK (n - 1)``."""
    spent = sum(drafted * step + 1 + _CHECK * drafted for drafted, _ in windows)
    return spent / sum(committed for _, committed in windows)


if __name__ == "__main__":
    main()
