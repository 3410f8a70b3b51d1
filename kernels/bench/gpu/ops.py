"""Each op against what torch has for it, both recorded in graphs, with weights that no cache holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional

from gpu.clock import Clock, Times
from sirius_kernels.attention.op import attention
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_hidden
from sirius_kernels.select.op import select_rows
from sirius_kernels.traffic import StepShape, attention_bytes, linear_bytes

DENSITIES = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class OpTime:
    """One op at one size. ``rival`` is torch's time for the same result; of a sparse MLP, for the dense one."""

    op: str
    tokens: int
    density: float
    ours: Times
    rival: Times
    bytes: int


def timed(clock: Clock, shape: StepShape, context: int, tokens: tuple[int, ...]) -> Iterator[OpTime]:
    """Time the ops of a decoder of ``shape`` in bf16 (fp32 in a dry run), behind ``context`` tokens."""
    for count in tokens:
        yield from _linear(clock, shape, count)
        yield from _mlp(clock, shape, count)
        yield _attention(clock, shape, count, context)
    scores = torch.rand(shape.neurons, device=clock.device)
    picked = shape.neurons // 2
    ours, rival = clock.together([partial(select_rows, scores, picked, impl="triton"), partial(scores.topk, picked)])
    yield OpTime("select_rows", 1, 0.5, ours, rival, 4 * shape.neurons)


def _drawn(clock: Clock, shape: StepShape, *size: int) -> torch.Tensor:
    dtype = torch.bfloat16 if shape.itemsize == 2 else torch.float32
    return torch.randn(*size, device=clock.device, dtype=torch.float32).to(dtype)


def _turns(call: Callable[[int], object], copies: int) -> Callable[[], None]:
    """Call for every copy of the weights in turn."""

    def all_copies() -> None:
        for copy in range(copies):
            call(copy)

    return all_copies


def _each(times: Times, copies: int) -> Times:
    return Times(times.median / copies, times.p10 / copies, times.p90 / copies, times.repetitions)


def _linear(clock: Clock, shape: StepShape, tokens: int) -> Iterator[OpTime]:
    stacked = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    for name, outputs in (("linear: qkv", stacked), ("linear: head", shape.vocabulary)):
        size = outputs * shape.hidden * shape.itemsize
        copies = clock.copies(size)
        weights = [_drawn(clock, shape, outputs, shape.hidden) for _ in range(copies)]
        x = _drawn(clock, shape, tokens, shape.hidden)
        sides = [
            _turns(lambda i, x=x, w=weights: linear(x, w[i], impl="triton"), copies),
            _turns(lambda i, x=x, w=weights: functional.linear(x, w[i]), copies),
        ]
        ours, rival = (_each(times, copies) for times in clock.together(sides))
        moved = linear_bytes(outputs, shape.hidden, shape.itemsize).total
        yield OpTime(name, tokens, 1.0, ours, rival, moved)


def _mlp(clock: Clock, shape: StepShape, tokens: int) -> Iterator[OpTime]:
    """Both halves together; the rival is the dense MLP by torch's products over the same layout."""
    hidden, neurons = shape.hidden, shape.neurons
    copies = clock.copies(3 * neurons * hidden * shape.itemsize)
    gate_up = [_drawn(clock, shape, neurons, 2, hidden) for _ in range(copies)]
    down_t = [_drawn(clock, shape, neurons, hidden) for _ in range(copies)]
    x = _drawn(clock, shape, tokens, hidden)

    def ours(i: int, active: torch.Tensor | None) -> torch.Tensor:
        inner = mlp_hidden(x, gate_up[i], activation="silu", active=active, impl="triton")
        return mlp_down(inner, down_t[i], active=active, impl="triton")

    def rival(i: int) -> torch.Tensor:
        both = functional.linear(x, gate_up[i].view(2 * neurons, hidden)).view(tokens, neurons, 2)
        return (functional.silu(both[..., 0]) * both[..., 1]) @ down_t[i]

    for density in DENSITIES:
        count = int(density * neurons)
        active = None
        if density < 1.0:
            active = torch.randperm(neurons, device=clock.device)[:count].sort().values.to(torch.int32)
        sides = [_turns(partial(ours, active=active), copies), _turns(rival, copies)]
        mine, theirs = (_each(times, copies) for times in clock.together(sides))
        yield OpTime("mlp", tokens, density, mine, theirs, 3 * count * hidden * shape.itemsize)


def _attention(clock: Clock, shape: StepShape, tokens: int, context: int) -> OpTime:
    heads, kv_heads, width = shape.heads, shape.kv_heads, shape.head_dim
    moved = attention_bytes(shape, tokens, context).total
    copies = clock.copies(moved)
    capacity = context + tokens
    caches = [[_drawn(clock, shape, 1, kv_heads, capacity, width) for _ in range(2)] for _ in range(copies)]
    qkv = _drawn(clock, shape, 1, tokens, heads + 2 * kv_heads, width)
    turns = torch.ones(1, tokens, 1, width // 2, dtype=torch.complex64, device=clock.device)
    start = torch.tensor([context], device=clock.device)
    q = qkv[:, :, :heads].transpose(1, 2)
    mask = torch.ones(tokens, capacity, dtype=torch.bool, device=clock.device).tril(context)

    def ours(i: int) -> torch.Tensor:
        return attention(qkv, turns, *caches[i], None, start, scale=width**-0.5, impl="triton")

    def rival(i: int) -> torch.Tensor:
        return functional.scaled_dot_product_attention(q, *caches[i], attn_mask=mask, enable_gqa=True)

    mine, theirs = (_each(times, copies) for times in clock.together([_turns(ours, copies), _turns(rival, copies)]))
    return OpTime("attention", tokens, 1.0, mine, theirs, moved)
