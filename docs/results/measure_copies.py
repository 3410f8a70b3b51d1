"""How far quantised copies are from their model: token by token, behind the dense model's own answers.

    python docs/results/measure_copies.py --model FOLDER --data QUESTIONS.jsonl --shots SHOTS.jsonl

Dense decoding answers the questions behind one solved example. Then every format reads those texts, and its most
likely token at each place is compared with the dense one. A line of JSON a format on standard output: the share of
places where they agree, the Kullback-Leibler divergence in nats, the root of the squared error over the squared weights
of each kind of matrix (averaged over layers), and the seconds that rounding took. A format may keep some matrices in
int8: `int4-g32+head`, `int4-g32+down`, `int4-g32+qkv+out`.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

_PASS = 32  # tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shots", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=6, help="questions")
    parser.add_argument("--tokens", type=int, default=128, help="longest answer")
    parser.add_argument("--formats", nargs="+", default=["int8-g64", "int4-g32", "int4-g128"])
    args = parser.parse_args()
    engine = _engine(args.model)
    texts = [_answered(engine, prompt, args.tokens) for prompt in _prompts(engine, args)]
    dense = [_logits(engine.model, *text) for text in texts]
    for name in args.formats:
        json.dump({"format": name, **_measure(engine, name, texts, dense)}, sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()


def _engine(folder: Path) -> Any:
    import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.engine.engine import Engine

    return Engine.load(folder, name=folder.name, profile=resolve_profile("dense", {}, {}).profile)


def _prompts(engine: Any, args: argparse.Namespace) -> list[list[int]]:
    shot, *_ = map(json.loads, args.shots.read_text().splitlines())
    head = f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\nQuestion: "
    questions = [json.loads(line)["question"] for line in args.data.read_text().splitlines()[: args.limit]]
    return [engine.tokens.encode(f"{head}{question}\nAnswer:", special=True) for question in questions]


def _answered(engine: Any, prompt: list[int], limit: int) -> tuple[list[int], int]:
    """The prompt with its dense answer, and where the answer begins."""
    from sirius_cli.core.events import Committed
    from sirius_cli.core.request import GenerationRequest

    events = engine.generate(GenerationRequest(tuple(prompt), max_new_tokens=limit, stop=("\n\n",)))
    answer = [token.token_id for event in events if isinstance(event, Committed) for token in event.tokens]
    return [*prompt, *answer], len(prompt)


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


@dataclass
class _Rounder:
    """Rounds matrices as a format's name says, and notes what that loses."""

    bits: int
    group: int
    better: tuple[str, ...]
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, name: str) -> "_Rounder":
        base, *better = name.split("+")
        bits, group = base.removeprefix("int").split("-g")
        return cls(int(bits), int(group), tuple(better))

    def __call__(self, name: str, matrix: Any) -> Any:
        from sirius_kernels.quant.rounding import quantised, relative_error

        result = quantised(matrix, 8 if name in self.better else self.bits, self.group)
        self.errors[name].append(relative_error(matrix, result))
        return result


def _measure(engine: Any, name: str, texts: list[tuple[list[int], int]], dense: list[Any]) -> dict[str, Any]:
    import torch

    rounder, start = _Rounder.of(name), time.perf_counter()
    with torch.inference_mode():
        copy = _copy(engine.model, rounder)
    seconds, agreed, divergence = time.perf_counter() - start, [], []
    for text, expected in zip(texts, dense, strict=True):
        got = _logits(copy, *text)
        agreed += (got.argmax(-1) == expected.argmax(-1)).tolist()
        p, q = expected.log_softmax(-1), got.log_softmax(-1)
        divergence += (p.exp() * (p - q)).sum(-1).tolist()
    errors = {matrix: round(fmean(values), 5) for matrix, values in rounder.errors.items()}
    figures = {"tokens": len(agreed), "agreement": fmean(agreed), "divergence": fmean(divergence), "seconds": seconds}
    return figures | {"errors": errors}


def _copy(model: Any, rounder: _Rounder) -> Any:
    from sirius_cli.engine.models.decoder import Decoder
    from sirius_kernels.quant.matrix import ByOutput

    layers = []
    for layer in model.weights.layers:
        down = ByOutput(rounder("down", layer.mlp.down_t.t().contiguous()))
        mlp = replace(layer.mlp, gate_up=rounder("gate_up", layer.mlp.gate_up), down_t=down)
        layers.append(replace(layer, qkv=rounder("qkv", layer.qkv), out=rounder("out", layer.out), mlp=mlp))
    weights = replace(model.weights, head=rounder("head", model.weights.head), layers=tuple(layers))
    return Decoder(model.config, weights, model.ops)


if __name__ == "__main__":
    main()
