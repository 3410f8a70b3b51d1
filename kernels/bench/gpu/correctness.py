"""Every op on the device against its reference, over shapes and dtypes, and whole answers against torch's.

Speed is worth nothing before this passes.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch

from gpu import texts
from gpu.codes import byte_tokens, random_codes
from sirius_kernels.attention.op import attention
from sirius_kernels.contracts import Onto
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.norm.op import normalise
from sirius_kernels.peaks.op import peaks
from sirius_kernels.quant.matrix import BLOCK, GROUPS, Bits, divides
from sirius_kernels.select.op import select_rows
from sirius_kernels.testing import assert_close

# Worst and RMS error: rounding of the result, and of the activations between the two halves of a product.
TOLERANCES = {torch.float32: (1e-4, 1e-5), torch.float16: (2e-2, 2e-3), torch.bfloat16: (1e-1, 1e-2)}
Case = tuple[str, Callable[[], None]]
Group = Callable[[torch.device], Iterator[Case]]


def groups(*, small: bool) -> list[Group]:
    """All cases, in parts that need nothing of each other. A check that fails raises AssertionError."""
    found: list[Group] = []
    widths = [(48, 21), (64, 21)] if small else [(63, 131), (1536, 8960), (4096, 14336)]
    for dtype in [torch.float32] if small else TOLERANCES:
        for tokens in (1, 3) if small else (1, 3, 17, 64, 65):
            found += (partial(_products, dtype=dtype, tokens=tokens, hidden=d, neurons=f) for d, f in widths)
        for steps in (1, 3) if small else (1, 3, 64):
            for head_dim in (16,) if small else (64, 80, 128, 256):
                found.append(partial(_attentions, dtype=dtype, steps=steps, width=head_dim, held=40 if small else 700))
    return [
        *found,
        partial(_selections, total=53 if small else 14336),
        partial(_peaks, rows=(1, 3) if small else (1, 16, 64), vocabulary=5000 if small else 128256),
        partial(texts.cases, small=small),
    ]


def _products(device: torch.device, *, dtype: torch.dtype, tokens: int, hidden: int, neurons: int) -> Iterator[Case]:
    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device, dtype=torch.float32).mul_(shape[-1] ** -0.25).to(dtype)

    x, gate_up, down_t = drawn(tokens, hidden), drawn(neurons, 2, hidden), drawn(neurons, hidden)
    bias, weight = drawn(neurons), drawn(hidden).float()
    gate = mlp_gate(x, gate_up, activation="silu", impl="torch")
    for share in (0.1, 0.5, 1.0):
        count = max(1, int(share * neurons))
        active = torch.randperm(neurons, device=device)[:count].sort().values.to(torch.int32)
        inner = drawn(tokens, count)
        about = f"{tokens} tokens, {hidden} by {count} of {neurons}, {dtype}"
        yield f"mlp_hidden, {about}", _agrees(dtype, mlp_hidden, x, gate_up, activation="silu", active=active)
        yield f"mlp_up, {about}", _agrees(dtype, mlp_up, x, gate, gate_up, active=active)
        yield f"mlp_down, {about}", _agrees(dtype, mlp_down, inner, down_t, active=active)
    about = f"{tokens} tokens, {hidden} by {neurons}, {dtype}"
    for kind in ("silu", "gelu_tanh", "gelu", "relu"):
        yield f"mlp_hidden, {kind}, {about}", _agrees(dtype, mlp_hidden, x, gate_up, activation=kind)
    yield f"mlp_gate, {about}", _agrees(dtype, mlp_gate, x, gate_up, activation="silu")
    yield f"mlp_down, {about}", _agrees(dtype, mlp_down, drawn(tokens, neurons), down_t)
    yield f"linear, {about}", _agrees(dtype, linear, x, down_t, bias)
    yield f"linear, fp32, {about}", _agrees(dtype, linear, x, down_t, fp32=True)
    yield f"linear, onto, {about}", _adds(dtype, linear, drawn(tokens, neurons), x, down_t, bias)
    yield f"mlp_down, onto, {about}", _adds(dtype, mlp_down, drawn(tokens, hidden), drawn(tokens, neurons), down_t)
    yield f"normalise, {about}", _agrees(dtype, normalise, x, weight, eps=1e-5, centred=False)
    if hidden % BLOCK == 0:
        yield from _quantised(about, dtype, gate_up, down_t, drawn(tokens, neurons))


def _quantised(
    about: str, dtype: torch.dtype, gate_up: torch.Tensor, down_t: torch.Tensor, inner: torch.Tensor
) -> Iterator[Case]:
    formats: tuple[Bits, ...] = (8, 4)
    (neurons, _, hidden), device = gate_up.shape, inner.device
    x = byte_tokens(inner.shape[0], hidden, device, dtype)
    half = torch.randperm(neurons, device=device)[: neurons // 2].sort().values.to(torch.int32)
    for bits, group in product(formats, [group for group in GROUPS if divides(hidden, group)]):
        rows, downs = (
            random_codes(tuple(like.shape), bits, group, device, like.shape[-1] ** -0.25) for like in (gate_up, down_t)
        )
        name = f"int{bits} in groups of {group}, {about}"
        yield f"mlp_hidden, {name}", _agrees(dtype, mlp_hidden, x, rows, activation="silu")
        yield f"linear, {name}", _agrees(dtype, linear, x, downs, inner[0])
        if group == GROUPS[0]:
            yield f"mlp_down, {name}", _agrees(dtype, mlp_down, inner, downs)
            yield f"mlp_hidden, half, {name}", _agrees(dtype, mlp_hidden, x, rows, activation="silu", active=half)
            yield f"mlp_gate, {name}", _agrees(dtype, mlp_gate, x, rows, activation="silu")
            yield f"mlp_up, half, {name}", _agrees(dtype, mlp_up, x, inner, rows, active=half)
            yield f"linear, onto, {name}", _adds(dtype, linear, inner, x, downs)


def _agrees(dtype: torch.dtype, op: Callable[..., torch.Tensor], *arguments: Any, **options: Any) -> Callable[[], None]:
    """The reference runs in fp32 on the same rounded numbers."""

    def check() -> None:
        exact = [_exact(one) for one in arguments]
        worst, rms = TOLERANCES[dtype]
        got = op(*arguments, **options, impl="triton").float()
        assert_close(got, op(*exact, **options, impl="torch"), worst=worst, rms=rms)

    return check


def _adds(
    dtype: torch.dtype, op: Callable[..., torch.Tensor], base: torch.Tensor, *arguments: Any
) -> Callable[[], None]:
    """As :func:`_agrees`, for a result that is added onto ``base``."""

    def check() -> None:
        worst, rms = TOLERANCES[dtype]
        expected = op(*map(_exact, arguments), onto=Onto(base.float().clone(), 0.5), impl="torch")
        total = base.clone()
        op(*arguments, onto=Onto(total, 0.5), impl="triton")
        assert_close(total.float(), expected, worst=worst, rms=rms)

    return check


def _exact(argument: Any) -> Any:
    floating = isinstance(argument, torch.Tensor) and argument.is_floating_point()
    return argument.float() if floating else argument


def _attentions(device: torch.device, *, dtype: torch.dtype, steps: int, width: int, held: int) -> Iterator[Case]:
    for window, softcap in ((None, None), (5, None), (None, 5.0)):
        name = f"attention, {steps} tokens, heads of {width}, window {window}, softcap {softcap}, {dtype}"
        yield name, _attention(device, dtype, steps, width, window, softcap, held)
        tree = _binary_tree(steps, device)
        yield f"{name}, a tree", _attention(device, dtype, steps, width, window, softcap, held, tree)


def _attention(
    device: torch.device,
    dtype: torch.dtype,
    steps: int,
    width: int,
    window: int | None,
    softcap: float | None,
    held: int,
    tree: torch.Tensor | None = None,
) -> Callable[[], None]:
    def check() -> None:
        rows, kv_heads, group = 2, 2, 4
        start = torch.tensor([held // 2, held], device=device)
        qkv = torch.randn(rows, steps, kv_heads * (group + 2), width, device=device).to(dtype)
        turns = torch.randn(rows, steps, 1, width // 2, device=device, dtype=torch.complex64)
        turns = turns / turns.abs()
        shape = (rows, kv_heads, held + steps + 9, width)
        caches = [torch.full(shape, float("nan"), device=device, dtype=dtype) for _ in range(2)]
        for cache in caches:
            for row, length in enumerate(start.tolist()):
                cache[row, :, :length] = torch.randn(kv_heads, length, width, device=device).to(dtype)
        options = {"scale": width**-0.5, "window": window, "softcap": softcap, "tree": tree}
        kept = [cache.float().clone() for cache in caches]
        expected = attention(qkv.float().clone(), turns, kept[0], kept[1], None, start, impl="torch", **options)
        got = attention(qkv.clone(), turns, caches[0], caches[1], None, start, impl="triton", **options)
        worst, rms = TOLERANCES[dtype]
        assert_close(got.float(), expected, worst=worst, rms=rms)
        for cache, reference in zip(caches, kept, strict=True):
            assert torch.equal(cache.isnan(), reference.isnan())
            assert_close(cache.float().nan_to_num(), reference.nan_to_num(), worst=worst, rms=rms)

    return check


def _binary_tree(nodes: int, device: torch.device) -> torch.Tensor:
    """Paths as attention takes them: two nodes follow each, as far as there are any."""
    paths = [[0]]
    for node in range(1, nodes):
        paths.append([*paths[(node - 1) // 2], node])
    longest = len(paths[-1])
    return torch.tensor([path + [-1] * (longest - len(path)) for path in paths], dtype=torch.int32, device=device)


def _peaks(device: torch.device, *, rows: tuple[int, ...], vocabulary: int) -> Iterator[Case]:
    for count, temperature in product(rows, (1.0, 0.6)):
        yield f"peaks, {count} of {vocabulary}, {temperature}", _peak(device, count, vocabulary, temperature)


def _peak(device: torch.device, rows: int, vocabulary: int, temperature: float) -> Callable[[], None]:
    def check() -> None:
        logits = torch.randn(rows, vocabulary, device=device) * 4
        got = peaks(logits, temperature=temperature, impl="triton")
        expected = peaks(logits, temperature=temperature, impl="torch")
        assert torch.equal(got.token, expected.token)
        for name in ("probability", "normaliser", "warm", "entropy"):
            assert_close(getattr(got, name), getattr(expected, name), worst=1e-4, rms=1e-5)

    return check


def _selections(device: torch.device, *, total: int) -> Iterator[Case]:
    for dtype in TOLERANCES:
        for count in (1, total // 143 + 1, total // 2, total):
            yield f"select_rows, {count} of {total}, {dtype}", _selection(device, dtype, total, count)


def _selection(device: torch.device, dtype: torch.dtype, total: int, count: int) -> Callable[[], None]:
    def check() -> None:
        scores = torch.randint(-500, 500, (total,), device=device).to(dtype)
        for magnitude in (False, True):
            got, expected = (select_rows(scores, count, magnitude=magnitude, impl=impl) for impl in ("triton", "torch"))
            assert torch.equal(got, expected)

    return check
