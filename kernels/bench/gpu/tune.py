"""Find launch configurations by trying: for sizes that matter, the fastest of those that compute the right thing."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from typing import Any
from unittest.mock import patch

import torch
from clock import Clock

from sirius_kernels import tuned
from sirius_kernels.gpu_config import DownConfig, RowsConfig
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.testing import assert_close
from sirius_kernels.traffic import StepShape

Call = Callable[[str], torch.Tensor]


def tune(
    clock: Clock, shape: StepShape, tokens: tuple[int, ...], *, most: int
) -> dict[str, list[dict[str, list[int]]]]:
    """The best of at most ``most`` candidates for each launch of a decoder of ``shape``, as :mod:`tuned` reads them."""
    found: dict[str, dict[tuple[int, ...], tuple[int, ...]]] = {"rows": {}, "down": {}}
    for count in tokens:
        for call in _calls(clock, shape, count):
            for kind, key, usual in _asked(call):
                if key not in found[kind]:
                    found[kind][key] = _best(clock, call, kind, key, usual, most)
    return {
        kind: [{"for": list(key), "take": list(take)} for key, take in one.items()] for kind, one in found.items()
    }  # fmt: skip


def _calls(clock: Clock, shape: StepShape, tokens: int) -> Iterator[Call]:
    dtype = torch.bfloat16 if shape.itemsize == 2 else torch.float32

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(*size, device=clock.device).mul_(size[-1] ** -0.25).to(dtype)

    hidden, neurons = shape.hidden, shape.neurons
    x, gate, gate_up = drawn(tokens, hidden), drawn(tokens, neurons), drawn(neurons, 2, hidden)
    down_t = drawn(neurons, hidden)
    some = torch.randperm(neurons, device=clock.device)[: neurons // 2].sort().values.to(torch.int32)
    qkv, head = drawn((shape.heads + 2 * shape.kv_heads) * shape.head_dim, hidden), drawn(shape.vocabulary, hidden)
    out = drawn(hidden, shape.heads * shape.head_dim)
    mixed = drawn(tokens, shape.heads * shape.head_dim)
    yield lambda impl: linear(x, qkv, impl=impl)  # type: ignore[arg-type]
    yield lambda impl: linear(mixed, out, impl=impl)  # type: ignore[arg-type]
    yield lambda impl: linear(x, head, impl=impl)  # type: ignore[arg-type]
    yield lambda impl: mlp_hidden(x, gate_up, activation="silu", impl=impl)  # type: ignore[arg-type]
    yield lambda impl: mlp_down(gate, down_t, impl=impl)  # type: ignore[arg-type]
    if tokens == 1:  # drafts
        yield lambda impl: mlp_hidden(x, gate_up, activation="silu", active=some, impl=impl)  # type: ignore[arg-type]
        yield lambda impl: mlp_gate(x, gate_up, activation="silu", impl=impl)  # type: ignore[arg-type]
        yield lambda impl: mlp_up(x, gate, gate_up, active=some, impl=impl)  # type: ignore[arg-type]
        yield lambda impl: mlp_down(gate[:, : neurons // 2], down_t, active=some, impl=impl)  # type: ignore[arg-type]


def _asked(call: Call) -> list[tuple[str, tuple[int, ...], Any]]:
    """The configurations that ``call`` asks for, and what it gets without tuning."""
    asked: list[tuple[str, tuple[int, ...], Any]] = []

    def listen(kind: str, key: tuple[int, ...], name: str, usual: Any) -> Any:
        asked.append((kind, key, usual))
        return usual

    with patch.object(tuned, "chosen", listen):
        call("triton")
    return asked


def _best(clock: Clock, call: Call, kind: str, key: tuple[int, ...], usual: Any, most: int) -> tuple[int, ...]:
    expected, right = call("torch").float(), []
    candidates = [usual, *_others(usual)][:most]
    for candidate in candidates:

        def run(candidate: Any = candidate) -> torch.Tensor:
            with patch.object(tuned, "chosen", lambda kind_, key_, name, own: candidate if kind_ == kind else own):
                return call("triton")

        try:
            assert_close(run().float(), expected, worst=0.1, rms=0.01)
        except (AssertionError, RuntimeError):  # wrong, or more than the device has
            continue
        right.append((candidate, run))
    times = clock.together([run for _, run in right])
    best = min(range(len(right)), key=lambda place: times[place].median)
    return astuple(right[best][0])


def _others(usual: Any) -> Iterator[Any]:
    match usual:
        case RowsConfig(tokens=1):
            for units, depth, warps in itertools.product((2, 4, 8, 16), (256, 512, 1024), (2, 4, 8)):
                yield replace(usual, units=units, depth=depth, warps=warps)
        case RowsConfig():
            for units, depth, warps, stages in itertools.product((16, 32, 64), (64, 128), (4, 8), (2, 3, 4)):
                yield replace(usual, units=units, depth=depth, warps=warps, stages=stages)
        case DownConfig():
            for columns, neurons, half, warps in itertools.product((64, 128, 256), (16, 32, 64), (1, 2, 4), (4, 8)):
                splits = max(1, usual.splits * half // 2)
                yield replace(usual, columns=columns, neurons=neurons, splits=splits, warps=warps)
