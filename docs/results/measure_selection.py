"""Which neurons a coarse draft should use: ways to choose them, compared at equal bytes behind dense answers.

    python docs/results/measure_selection.py --model FOLDER --data QUESTIONS.jsonl --state FOLDER [--shots SHOTS.jsonl]

Dense decoding answers the questions. Then a draft with each choice of neurons, learnt from the prompt as in decoding,
goes along these texts in windows of 16: it reads the dense text and dense keys up to its window, and its own keys
behind. A line of JSON for each choice and keep, in the file ``results.jsonl`` of the state folder and on standard
output: the share of places where the most likely tokens agree, the Kullback-Leibler divergence in nats (windows side by
side), and the mean tokens that checks would commit, lossless and by likelihood (0.1 at temperature 0.6; a token that is
accepted for being likely is followed by the dense text). What is in the folder is not measured again.

A choice is words with + between:
    plain       summed squares of normalised activations
    norms       these times the squared norms of the neurons' down rows
    inside      activations times norms, then normalised
    layers30    keeps by layer, at least 0.3, allocated by their shares on the built-in sample text (sirius calibrate)
    alone30     by what each costs with all others dense; among30: by what it adds with all others sparse
    first2      the first two layers dense, the keep of the others lowered; last2, sensitive2 likewise
    mean        adds what the skipped neurons gave on average over the prompt
    typical     adds what the skipped neurons gave on average over the sample text
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from dense_answers import answered, load, prompts

_WINDOW = 16
_PASS = 32  # tokens
_CHOICES = [
    "plain", "norms", "inside", "norms+layers30", "norms+alone30", "norms+among30", "norms+first1", "norms+last1",
    "norms+first1+last1", "norms+sensitive2", "norms+mean", "norms+typical", "norms+layers30+mean",
]  # fmt: skip
_PARTS, _BEHIND = 8, 24  # of the sample: texts, and the tokens of each that sensitivities are measured on
_GRID = [round(0.05 * step, 2) for step in range(2, 21)]  # keeps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder of what has been measured; for one model")
    parser.add_argument("--shots", type=Path, help="one solved example goes ahead; without, questions are chats")
    parser.add_argument("--limit", type=int, default=6, help="questions")
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--keeps", type=float, nargs="+", default=[0.5, 0.4])
    parser.add_argument("--choices", nargs="+", default=_CHOICES)
    args = parser.parse_args()
    args.state.mkdir(parents=True, exist_ok=True)
    results = args.state / "results.jsonl"
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {(one["data"], one["keep"], one["choice"]) for one in done}
    wanted = [(args.data.stem, keep, choice) for keep in args.keeps for choice in args.choices]
    if not (missing := [key for key in wanted if key not in known]):
        return
    engine = load(args.model)
    sample = _Sample(engine, args.state)
    texts = [_Text(engine, *text) for text in _texts(engine, args)]
    for data, keep, choice in missing:
        found = {"data": data, "keep": keep, "choice": choice, **_measure(engine, texts, keep, choice, sample)}
        for file in (results.open("a"), sys.stdout):
            file.write(json.dumps(found) + "\n")
            file.flush()


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    """What the JSON file says, else what ``make`` makes, which then stands there."""
    if not path.exists():
        made = make()
        path.with_suffix(".part").write_text(json.dumps(made))
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def _texts(engine: Any, args: argparse.Namespace) -> Any:
    stop = () if args.shots is None else ("\n\n",)
    file = args.state / f"{args.data.stem}-{args.limit}-{args.tokens}.json"
    return _kept(file, lambda: [answered(engine, prompt, args.tokens, stop) for prompt in prompts(engine, args)])


@dataclass
class _Learnt:
    """What dense activations ``h`` of some tokens were, by layer, rows first: ``fp32[L, R, F]``."""

    plain: Any
    norms: Any
    inside: Any
    mean: Any


class _Watch:
    """A dense MLP runner that learns from ``rows`` texts of as many tokens each."""

    def __init__(self, engine: Any, rows: int = 1) -> None:
        import torch

        layers, neurons = len(engine.model.config.layers), engine.model.config.intermediate_size
        self._rows, self.tokens, self._norms = rows, 0, _norms(engine)
        self.sums = {name: torch.zeros(layers, rows, neurons) for name in ("plain", "inside", "mean")}

    def __call__(self, layer: int, x: Any, block: Any, ops: Any) -> None:
        block.watched(x, lambda _, hidden: self._learn(layer, hidden.view(self._rows, -1, hidden.shape[-1])))

    def _learn(self, layer: int, hidden: Any) -> None:
        squares, weighted = hidden.square(), hidden.square() * self._norms[layer]
        self.sums["plain"][layer] += (squares / squares.sum(-1, keepdim=True).clamp_min(1e-30)).sum(1)
        self.sums["inside"][layer] += (weighted / weighted.sum(-1, keepdim=True).clamp_min(1e-30)).sum(1)
        self.sums["mean"][layer] += hidden.sum(1)
        self.tokens += hidden.shape[1] if layer == 0 else 0

    @property
    def learnt(self) -> _Learnt:
        sums = self.sums
        norms = sums["plain"] * self._norms[:, None]
        return _Learnt(sums["plain"], norms, sums["inside"], sums["mean"] / self.tokens)


def _norms(engine: Any) -> Any:
    """The squared norms of the down rows, ``fp32[L, F]``."""
    import torch

    return torch.stack([layer.mlp.down_t.float().square().sum(-1) for layer in engine.model.weights.layers])


class _Text:
    """A prompt with its dense answer, read by the dense model."""

    def __init__(self, engine: Any, ids: list[int], start: int) -> None:
        import torch

        from sirius_cli.engine.forward import run_rows
        from sirius_cli.engine.kv_cache import KVCache

        self.ids, self.start = ids, start
        self._engine, model = engine, engine.model
        self._cache = KVCache(model.config, 1, len(ids), dtype=torch.float32)
        watch = _Watch(engine)
        for first in range(0, start, _PASS):
            part = ids[first : min(first + _PASS, start)]
            run_rows(model, self._cache, [0], [part], [first], watch, last_only=True)
        self.learnt = watch.learnt
        self.dense = torch.cat(list(self._dense()))

    def _dense(self) -> Iterator[Any]:
        """The logits after the answer's tokens but the last."""
        from sirius_cli.engine.forward import run_rows
        from sirius_cli.engine.models.decoder import dense_mlp

        for first in range(self.start, len(self.ids) - 1, _PASS):
            part = self.ids[first : min(first + _PASS, len(self.ids) - 1)]
            yield run_rows(self._engine.model, self._cache, [0], [part], [first], dense_mlp)

    def window(self, first: int, mlp: Any) -> "_Window":
        """What a draft whose window begins at the token ``first`` gives, were it always right."""
        from sirius_cli.engine.forward import run_rows

        part = self.ids[first : min(first + _WINDOW - 1, len(self.ids) - 1)]
        places = slice(first, first + len(part))
        dense = [tensor[:, :, places].clone() for tensor in (*self._cache.k, *self._cache.v)]
        got = run_rows(self._engine.model, self._cache, [0], [part], [first], mlp)
        for tensor, kept in zip((*self._cache.k, *self._cache.v), dense, strict=True):
            tensor[:, :, places] = kept
        return _judged(self.dense[first - self.start :][: len(part)], got)


@dataclass
class _Window:
    same: list[bool]
    likely: list[bool]
    divergence: list[float]


def _judged(dense: Any, got: Any) -> _Window:
    """Compare logits of some places, ``fp32[T, V]``."""
    drafted = got.argmax(-1)
    same = drafted == dense.argmax(-1)
    chance = (dense / 0.6).softmax(-1).gather(-1, drafted[:, None])[:, 0]
    p, q = dense.log_softmax(-1), got.log_softmax(-1)
    return _Window(same.tolist(), (same | (chance >= 0.1)).tolist(), (p.exp() * (p - q)).sum(-1).tolist())


class _Sample:
    """What the built-in sample text tells of a model."""

    def __init__(self, engine: Any, state: Path) -> None:
        from sirius_cli.services.sample_text import sample_of

        self._engine, self._state = engine, state
        ids = sample_of(engine.tokens)
        size = len(ids) // _PARTS
        self._parts = [ids[first : first + size] for first in range(0, size * _PARTS, size)]

    @cached_property
    def typical(self) -> Any:
        """Mean activations, ``fp32[L, F]``."""
        import torch

        from sirius_cli.engine.forward import run_rows
        from sirius_cli.engine.kv_cache import KVCache

        model, watch = self._engine.model, _Watch(self._engine)
        cache = KVCache(model.config, 1, len(self._parts[0]), dtype=torch.float32)
        with torch.inference_mode():
            for part in self._parts:
                run_rows(model, cache, [0], [part], [0], watch, last_only=True)
        return watch.learnt.mean[:, 0]

    @cached_property
    def layers(self) -> list[Any]:
        """The sensitivity of every layer, at keep 0.5."""
        from sirius_cli.engine.drafts.sensitivity import Sensitivity

        found = _kept(self._state / "sensitivities.json", lambda: list(self._measured()))
        return [Sensitivity(one["alone"], one["among"], tuple(one["errors"])) for one in found]

    def _measured(self) -> Iterator[dict[str, Any]]:
        from sirius_cli.engine.drafts.sensitivity import sensitivities

        for found in sensitivities(self._engine.model, self._parts, _BEHIND, 0.5, _GRID):
            sys.stderr.write(f"{found.alone:.5f} {found.among:.5f}\n")
            yield asdict(found)


def _mask(scores: Any, keep: float) -> Any:
    """``[F]`` scores -> 1 for the best, 0 for the others."""
    import torch

    best = scores.topk(max(1, int(keep * len(scores) + 1e-9))).indices
    return torch.zeros_like(scores).scatter_(-1, best, 1.0)


class _Draft:
    """An MLP runner that skips neurons and adds a constant."""

    def __init__(self, active: list[Any], constants: list[Any] | None) -> None:
        self._active, self._constants = active, constants

    def __call__(self, layer: int, x: Any, block: Any, ops: Any) -> None:
        weights, active = block.weights, self._active[layer]
        if self._constants is None:
            block(x, active)
            return

        def branch(x: Any) -> Any:
            hidden = ops.mlp_hidden(x, weights.gate_up, weights.bias, activation=weights.activation, active=active)
            return ops.mlp_down(hidden, weights.down_t, weights.down_bias, active=active) + self._constants[layer]

        block.around(x, branch)


def _measure(engine: Any, texts: list[_Text], keep: float, choice: str, sample: _Sample) -> dict[str, Any]:
    import torch

    words = choice.split("+")
    keeps = _keeps(words, keep, len(engine.model.config.layers), sample)
    windows: list[_Window] = []
    advances: dict[str, list[int]] = {"same": [], "likely": []}
    with torch.inference_mode():
        for text in texts:
            mlp = _draft(engine, text.learnt, keeps, words, sample)
            seen: dict[int, _Window] = {}
            for first in range(text.start, len(text.ids) - 1, _WINDOW - 1):
                windows.append(_seen(text, first, mlp, seen))
            for rule, checks in advances.items():
                checks += _walk(text, mlp, seen, rule)
    same = [one for window in windows for one in window.same]
    divergence = [one for window in windows for one in window.divergence]
    return {
        "tokens": len(same), "agreement": round(fmean(same), 4), "divergence": round(fmean(divergence), 4),
        "exact": round(fmean(advances["same"]), 3), "likelihood": round(fmean(advances["likely"]), 3),
        "mean_keep": round(fmean(keeps), 4),
    }  # fmt: skip


def _seen(text: _Text, first: int, mlp: Any, seen: dict[int, _Window]) -> _Window:
    if first not in seen:
        seen[first] = text.window(first, mlp)
    return seen[first]


def _walk(text: _Text, mlp: Any, seen: dict[int, _Window], rule: str) -> Iterator[int]:
    """The advances of one text by the rule."""
    first = text.start
    while first < len(text.ids) - 1:
        good = getattr(_seen(text, first, mlp, seen), rule)
        accepted = good.index(False) if False in good else len(good)
        advance = min(accepted + 1, len(text.ids) - 1 - first)
        yield advance
        first += advance


def _draft(engine: Any, learnt: _Learnt, keeps: list[float], words: list[str], sample: _Sample) -> _Draft:
    scores = getattr(learnt, words[0] if words[0] in ("plain", "norms", "inside") else "plain")[:, 0]
    masks = [_mask(row, keep) for row, keep in zip(scores, keeps, strict=True)]
    active = [mask.nonzero()[:, 0].int() for mask in masks]
    if not {"mean", "typical"} & set(words):
        return _Draft(active, None)
    means = learnt.mean[:, 0] if "mean" in words else sample.typical
    layers = zip(masks, means, engine.model.weights.layers, strict=True)
    return _Draft(active, [((1 - mask) * mean) @ layer.mlp.down_t for mask, mean, layer in layers])


def _keeps(words: list[str], keep: float, layers: int, sample: _Sample) -> list[float]:
    dense: set[int] = set()
    for word in words:
        if found := re.fullmatch(r"(alone|among|layers)(\d+)", word):
            return _allocated(sample.layers, found[1], keep, int(found[2]) / 100)
        if found := re.fullmatch(r"(first|last|sensitive)(\d+)", word):
            dense |= set(_ordered(found[1], layers, sample)[: int(found[2])])
    others = (keep * layers - len(dense)) / (layers - len(dense))
    return [1.0 if layer in dense else others for layer in range(layers)]


def _ordered(by: str, layers: int, sample: _Sample) -> list[int]:
    if by == "sensitive":
        return sorted(range(layers), key=lambda layer: -sample.layers[layer].alone)
    return list(range(layers)) if by == "first" else list(reversed(range(layers)))


def _allocated(layers: list[Any], by: str, keep: float, least: float) -> list[float]:
    from sirius_cli.core.keeps import allocate

    start = _GRID.index(least)
    weights = [one.share if by == "layers" else max(0.0, getattr(one, by)) for one in layers]
    curves = [[weight * error for error in one.errors[start:]] for weight, one in zip(weights, layers, strict=True)]
    return list(allocate(curves, _GRID[start:], keep))


if __name__ == "__main__":
    main()
