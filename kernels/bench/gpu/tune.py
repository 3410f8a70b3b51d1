"""Find launch configurations by trying: for sizes that matter, the fastest of those that compute the right thing."""

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import torch
from triton.runtime.errors import OutOfResources

from gpu.clock import Clock
from gpu.codes import byte_tokens, random_codes
from sirius_kernels import tuned
from sirius_kernels.contracts import Onto
from sirius_kernels.gpu_config import DownConfig, RowsConfig
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.quant.matrix import Bits, QuantMatrix, Weight
from sirius_kernels.testing import assert_close
from sirius_kernels.traffic import StepShape

Call = Callable[[str], torch.Tensor]
Table = dict[str, list[dict[str, list[int]]]]
_PROCESSES = 16
_CACHES = 256 << 20  # bytes: more than any cache holds
_FEW = 4096  # words of a vocabulary where results do not matter
_GROUP = 32


def tune(clock: Clock, shapes: tuple[StepShape, ...], tokens: tuple[int, ...], *, most: int) -> Table:
    """The best of at most ``most`` candidates for each launch of decoders of ``shapes``, as :mod:`tuned` reads them."""
    asked: dict[tuple[str, tuple[int, ...]], tuple[StepShape, int, int, list[Any]]] = {}
    for shape, count in itertools.product(shapes, tokens):
        for number, call in enumerate(_calls(shape, count, str(clock.device), clock.real)):
            for kind, key, usual in _asked(call):
                asked.setdefault((kind, key), (shape, count, number, [usual, *_others(kind, usual)][:most]))
    if clock.real:
        # Of shapes that differ in numbers alone the first one's kernels serve all.
        _compile(
            {
                (count, number, kind, candidate): shape
                for (kind, _), (shape, count, number, candidates) in reversed(asked.items())
                for candidate in candidates
            }
        )
    found: Table = {}
    for (kind, key), (shape, count, number, candidates) in asked.items():
        best = _best(clock, _calls(shape, count, str(clock.device), clock.real)[number], kind, candidates)
        found.setdefault(kind, []).append({"for": list(key), "take": list(astuple(best))})
    return found


@cache
def _calls(shape: StepShape, tokens: int, device: str, cold: bool) -> list[Call]:
    """What a step of ``tokens`` launches. ``cold`` calls run over so many weights in turn that no cache holds them."""
    dtype = torch.bfloat16 if shape.itemsize == 2 else torch.float32
    hidden, neurons, heads = shape.hidden, shape.neurons, shape.heads * shape.head_dim

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(*size, device=device).mul_(size[-1] ** -0.25).to(dtype)

    def coded(bits: Bits, *size: int) -> QuantMatrix:
        return random_codes(size, bits, _GROUP, torch.device(device), size[-1] ** -0.5)

    def over(run: Callable[[Any, str], torch.Tensor], make: Callable[[], Weight]) -> Call:
        weights = [make()]
        weights += (make() for _ in range(min(7, _CACHES // weights[0].nbytes) if cold else 0))

        def call(impl: str) -> torch.Tensor:
            for weight in weights:
                result = run(weight, impl)
            return result

        return call

    x, gate, mixed, total = drawn(tokens, hidden), drawn(tokens, neurons), drawn(tokens, heads), drawn(tokens, hidden)
    x8, gate8, mixed8 = (byte_tokens(1, size, torch.device(device), dtype) for size in (hidden, neurons, heads))
    some = torch.randperm(neurons, device=device)[: neurons // 2].sort().values.to(torch.int32)
    half = gate[:, : neurons // 2].contiguous()
    stacked = (shape.heads + 2 * shape.kv_heads) * shape.head_dim

    def product(x: torch.Tensor, **options: Any) -> Callable[[Any, str], torch.Tensor]:
        return lambda weight, impl: linear(x, weight, impl=impl, **options)  # type: ignore[arg-type]

    def adding(x: torch.Tensor) -> Callable[[Any, str], torch.Tensor]:
        return lambda weight, impl: linear(x, weight, onto=Onto(total.clone(), 1.0), impl=impl)  # type: ignore[arg-type]

    def inner(x: torch.Tensor, active: torch.Tensor | None) -> Callable[[Any, str], torch.Tensor]:
        return lambda weight, impl: mlp_hidden(x, weight, activation="silu", active=active, impl=impl)  # type: ignore[arg-type]

    def outer(hidden: torch.Tensor, active: torch.Tensor | None) -> Callable[[Any, str], torch.Tensor]:
        return lambda weight, impl: mlp_down(hidden, weight, active=active, impl=impl)  # type: ignore[arg-type]

    calls = [
        over(product(x), lambda: drawn(stacked, hidden)),
        over(product(mixed), lambda: drawn(hidden, heads)),
        over(product(x, fp32=True), lambda: drawn(shape.vocabulary, hidden)),
        over(inner(x, None), lambda: drawn(neurons, 2, hidden)),
        over(outer(gate, None), lambda: drawn(neurons, hidden)),
    ]
    if tokens == 1:  # drafts
        calls += [
            over(inner(x, some), lambda: drawn(neurons, 2, hidden)),
            over(outer(half, some), lambda: drawn(neurons, hidden)),
            over(
                lambda weight, impl: mlp_gate(x, weight, activation="silu", impl=impl),  # type: ignore[arg-type]
                lambda: drawn(neurons, 2, hidden),
            ),
            over(
                lambda weight, impl: mlp_up(x, gate, weight, active=some, impl=impl),  # type: ignore[arg-type]
                lambda: drawn(neurons, 2, hidden),
            ),
        ]
        for bits in (8, 4) if hidden % 64 == 0 else ():
            calls += [
                over(product(x8), lambda bits=bits: coded(bits, stacked, hidden)),
                over(adding(mixed8), lambda bits=bits: coded(bits, hidden, heads)),
                over(product(x8, fp32=True), lambda bits=bits: coded(bits, shape.vocabulary, hidden)),
                over(inner(x8, None), lambda bits=bits: coded(bits, neurons, 2, hidden)),
                over(adding(gate8), lambda bits=bits: coded(bits, hidden, neurons)),
            ]
    return calls


def _asked(call: Call) -> list[tuple[str, tuple[int, ...], Any]]:
    """The configurations that ``call`` asks for, and what it gets without tuning."""
    asked: list[tuple[str, tuple[int, ...], Any]] = []

    def listen(kind: str, key: tuple[int, ...], name: str, usual: Any) -> Any:
        asked.append((kind, key, usual))
        return usual

    with patch.object(tuned, "chosen", listen):
        call("triton")
    return asked


def _under(call: Call, kind: str, candidate: Any) -> torch.Tensor:
    with patch.object(tuned, "chosen", lambda kind_, key, name, own: candidate if kind_ == kind else own):
        return call("triton")


def _compile(jobs: dict[tuple[int, int, str, Any], StepShape]) -> None:
    """Run every candidate once, in many processes: what they compile is found on disk afterwards."""
    flat = [(shape, *job) for job, shape in jobs.items()]
    with multiprocessing.get_context("spawn").Pool(min(_PROCESSES, os.cpu_count() or 1)) as pool:
        pool.starmap(_try, flat, chunksize=4)


def _try(shape: StepShape, tokens: int, number: int, kind: str, candidate: Any) -> None:
    try:
        _under(_calls(replace(shape, vocabulary=_FEW), tokens, "cuda", False)[number], kind, candidate)
        torch.cuda.synchronize()
    except OutOfResources:  # found out again where it is timed
        return


def _best(clock: Clock, call: Call, kind: str, candidates: list[Any]) -> Any:
    expected, right = call("torch").float(), []
    for candidate in candidates:
        try:
            assert_close(_under(call, kind, candidate).float(), expected, worst=0.1, rms=0.01)
        except (AssertionError, OutOfResources):
            continue
        right.append(candidate)
    if not right:
        raise AssertionError(f"{kind}: no configuration gives the right result")
    times = clock.together([lambda candidate=candidate: _under(call, kind, candidate) for candidate in right])
    return right[min(range(len(right)), key=lambda place: times[place].median)]


def _others(kind: str, usual: Any) -> Iterator[Any]:
    match usual:
        case RowsConfig(tokens=1) if kind != "rows":
            for units, depth, stages in itertools.product((2, 4, 8, 16), (1024, 2048, 4096), (1, 3)):
                if units * depth <= 32768:
                    yield replace(usual, units=units, depth=depth, warps=depth // 1024, stages=stages)
        case RowsConfig(tokens=1):
            for units, depth, warps, stages in itertools.product((1, 2, 4, 8), (1024, 2048, 4096), (4, 8), (1, 3)):
                if 16 <= units * depth // (32 * warps) <= 64:
                    yield replace(usual, units=units, depth=depth, warps=warps, stages=stages)
        case RowsConfig():
            for units, warps, stages in itertools.product((32, 64), (4, 8), (3, 4)):
                yield replace(usual, units=units, depth=128, warps=warps, stages=stages)
        case DownConfig():
            for columns, neurons, half, stages in itertools.product((128, 256, 512), (32, 64), (1, 2, 4), (2, 4)):
                splits = max(1, usual.splits * columns * half // (2 * usual.columns))
                if columns * neurons <= 16384 and (columns == 128 or stages == 2):
                    yield replace(usual, columns=columns, neurons=neurons, splits=splits, stages=stages)
