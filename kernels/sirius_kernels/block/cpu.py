"""Half a layer as one compiled call.

Whatever does not change from pass to pass lies in two arrays, a *plan* of whole numbers and one of fractions, written
once; compiled code finds them by their addresses. Numbers between the ops lie one after the other in scratch memory.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numba import njit

from sirius_kernels.attention.cpu import write_and_attend
from sirius_kernels.block.weights import Around, AttentionWeights, MlpWeights, Norm
from sirius_kernels.contracts import ContractError, expect_contiguous, expect_dtype, expect_shape
from sirius_kernels.cpu_memory import NOTHING, address, doubles, floats, long_integers, threads
from sirius_kernels.cpu_quant import stored
from sirius_kernels.cpu_rows import ACTIVATE, ACTIVATIONS, PLAIN, rows_product
from sirius_kernels.mlp.cpu import down_product
from sirius_kernels.norm.cpu import normalise_rows
from sirius_kernels.quant.matrix import ByOutput, Weight

_NUMBER: Final = 4  # bytes of a number in scratch memory
_NONE, _RMS, _LAYER = 0, 1, 2  # kinds of norm
# Places in a plan: the norms before and after; the weights of the first op, of the second; what is left.
_BEFORE, _AFTER, _FIRST, _SECOND, _REST = 0, 3, 6, 12, 18
# Places among the fractions.
_EPS_BEFORE, _EPS_AFTER, _MULTIPLIER, _SCALE, _SOFTCAP = range(5)


class _Half:
    """A plan in memory, and what it points to."""

    def __init__(self, around: Around, numbers: Sequence[int], fractions: Sequence[float], held: object) -> None:
        self._plan = np.array([*_norm(around.before), *_norm(around.after), *numbers], np.int64)
        eps = [norm.eps if norm is not None else 0.0 for norm in (around.before, around.after)]
        self._fractions = np.array([*eps, around.multiplier, *fractions], np.float64)
        self._held = around, held
        self.addresses = self._plan.ctypes.data, self._fractions.ctypes.data


class Attention:
    """See :class:`sirius_kernels.block.op.AttentionBlock`."""

    def __init__(self, weights: AttentionWeights, around: Around) -> None:
        stacked, self._width = weights.qkv.shape
        self._head_dim, self._stacked = weights.head_dim, stacked // weights.head_dim
        numbers = (
            *_matrix(weights.qkv, weights.qkv_bias), *_matrix(weights.out, weights.out_bias),
            self._stacked, weights.head_dim, weights.window or 0,
        )  # fmt: skip
        self._half = _Half(around, numbers, (weights.scale, weights.softcap or 0.0), weights)
        self._scratch = self._width + stacked + weights.out.shape[1]

    def __call__(
        self,
        x: torch.Tensor,
        batch: int,
        turns: torch.Tensor | None,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        rows: torch.Tensor | None,
        start: torch.Tensor,
        tree: torch.Tensor | None,
    ) -> None:
        tokens, (places, kv_heads, capacity, _) = x.shape[0], k_cache.shape
        _expect_sum(x, self._width)
        self._expect_cache(k_cache, v_cache, kv_heads)
        expect_dtype("start", start, torch.int64)
        if turns is not None:
            expect_dtype("turns", turns, torch.complex64)
        if tree is not None:
            expect_dtype("tree", tree, torch.int32)
            expect_shape("tree", tree, tokens // batch, None)
            expect_contiguous("tree", tree)
        scratch = torch.empty(tokens * self._scratch)
        _attention_half(
            *self._half.addresses, address(x), batch, tokens // batch, address(turns),
            0 if turns is None else turns.shape[3], address(k_cache), address(v_cache), places, kv_heads, capacity,
            address(rows), address(start), address(tree), 0 if tree is None else tree.shape[1], address(scratch),
            threads(),
        )  # fmt: skip

    def _expect_cache(self, k_cache: torch.Tensor, v_cache: torch.Tensor, kv_heads: int) -> None:
        if k_cache.shape != v_cache.shape or k_cache.shape[3] != self._head_dim or kv_heads * 2 >= self._stacked:
            raise ContractError(f"caches of {tuple(k_cache.shape)} and {tuple(v_cache.shape)} do not fit the block")
        if not (k_cache.is_contiguous() and v_cache.is_contiguous()):
            raise ContractError("caches are not contiguous")


class Mlp:
    """See :class:`sirius_kernels.block.op.MlpBlock`."""

    def __init__(self, weights: MlpWeights, around: Around) -> None:
        self._neurons, projections, self._width = weights.gate_up.shape
        by_output = isinstance(weights.down_t, ByOutput)
        down = weights.down_t.rows if isinstance(weights.down_t, ByOutput) else weights.down_t
        numbers = (
            *stored(weights.gate_up), math.prod(weights.gate_up.shape), projections, address(weights.bias),
            *_matrix(down, weights.down_bias), self._neurons, ACTIVATIONS[weights.activation], by_output,
        )  # fmt: skip
        self._half, self._by_output = _Half(around, numbers, (), weights), by_output

    def __call__(self, x: torch.Tensor, active: torch.Tensor | None) -> None:
        picked = self._neurons
        _expect_sum(x, self._width)
        if active is not None:
            if self._by_output:
                raise ContractError("a down projection by outputs cannot skip neurons")
            expect_shape("active", active, None)
            expect_dtype("active", active, torch.int32)
            picked = active.shape[0]
        scratch = torch.empty(x.shape[0] * (self._width + picked))
        _mlp_half(
            *self._half.addresses, address(x), x.shape[0], self._width, address(active), picked, address(scratch),
            threads(),
        )  # fmt: skip


def _expect_sum(x: torch.Tensor, width: int) -> None:
    if x.shape[1] != width or x.dtype is not torch.float32 or not x.is_contiguous():
        found = f"{x.dtype} of shape {tuple(x.shape)} with strides {x.stride()}"
        raise ContractError(f"x is {found}, expected contiguous torch.float32 of shape (any, {width})")


def _norm(norm: Norm | None) -> tuple[int, int, int]:
    if norm is None:
        return _NONE, NOTHING, NOTHING
    return _LAYER if norm.centred else _RMS, address(norm.weight), address(norm.bias)


def _matrix(weight: Weight, bias: torch.Tensor | None) -> tuple[int, ...]:
    """As :func:`_rows` wants it: six numbers."""
    outputs, depth = weight.shape
    return *stored(weight), outputs, depth, address(bias)


@njit
def _normalised(plan, place, eps, x, tokens, width, out):  # type: ignore[no-untyped-def]
    """Where ``x`` is once it has passed the norm at ``place``: ``out``, or where it was if there is no norm."""
    if plan[place] == _NONE:
        return x
    normalise_rows(x, tokens, width, plan[place + 1], plan[place + 2], eps, plan[place] == _LAYER, out)
    return out


@njit
def _rows(plan, place, x, tokens, out, threads):  # type: ignore[no-untyped-def]
    """The linear layer at ``place``."""
    outputs, depth, bias = plan[place + 3], plan[place + 4], plan[place + 5]
    rows_product(
        plan[place], plan[place + 1], plan[place + 2], outputs * depth, depth, 0, 1, depth, outputs,
        NOTHING, bias, outputs, NOTHING, 0, PLAIN, 0, x, tokens, out, threads,
    )  # fmt: skip


@njit
def _add(plan, fractions, branch, tokens, width, x):  # type: ignore[no-untyped-def]
    """``x[tokens, width] += multiplier * after(branch)``; the norm overwrites ``branch``."""
    done = _normalised(plan, _AFTER, fractions[_EPS_AFTER], branch, tokens, width, branch)
    target, values, factor = floats(x, tokens * width), floats(done, tokens * width), np.float32(fractions[_MULTIPLIER])
    for k in range(tokens * width):
        target[k] += factor * values[k]


@njit(f"void({', '.join(['int64'] * 18)})", cache=True)
def _attention_half(  # type: ignore[no-untyped-def]
    numbers, fractions, x, batch, steps, turns, pairs, keys, values, places, kv_heads, capacity, rows, start, tree,
    longest, scratch, threads,
):  # fmt: skip
    plan, settings = long_integers(numbers, _REST + 3), doubles(fractions, 5)
    stacked, head_dim, window = plan[_REST], plan[_REST + 1], plan[_REST + 2]
    tokens, width = batch * steps, plan[_FIRST + 4]
    qkv = scratch + _NUMBER * tokens * width
    mixed = qkv + _NUMBER * tokens * plan[_FIRST + 3]
    seen = _normalised(plan, _BEFORE, settings[_EPS_BEFORE], x, tokens, width, scratch)
    _rows(plan, _FIRST, seen, tokens, qkv, threads)
    write_and_attend(
        qkv, batch, steps, stacked, head_dim, turns, pairs, keys, values, places, kv_heads, capacity, rows, start,
        settings[_SCALE], window, settings[_SOFTCAP], tree, longest, mixed, threads,
    )  # fmt: skip
    _rows(plan, _SECOND, mixed, tokens, scratch, threads)
    _add(plan, settings, scratch, tokens, width, x)


@njit
def _down(plan, hidden, tokens, width, active, picked, out, threads):  # type: ignore[no-untyped-def]
    """A down projection by neurons: ``out[tokens, width]``."""
    sums, bias = floats(out, tokens * width), floats(plan[_SECOND + 5], width)
    sums[:] = np.float32(0.0)
    if picked > 0:
        down_product(
            plan[_SECOND], plan[_SECOND + 1], plan[_SECOND + 2], plan[_REST], width, active, hidden,
            picked, tokens, out, threads,
        )  # fmt: skip
    for k in range(tokens * width if bias.shape[0] else 0):
        sums[k] += bias[k % width]


@njit(f"void({', '.join(['int64'] * 9)})", cache=True)
def _mlp_half(numbers, fractions, x, tokens, width, active, picked, scratch, threads):  # type: ignore[no-untyped-def]
    plan, settings = long_integers(numbers, _REST + 3), doubles(fractions, 3)
    neurons, kind, by_output = plan[_REST], plan[_REST + 1], plan[_REST + 2]
    total, projections, bias = plan[_FIRST + 3], plan[_FIRST + 4], plan[_FIRST + 5]
    hidden = scratch + _NUMBER * tokens * width
    seen = _normalised(plan, _BEFORE, settings[_EPS_BEFORE], x, tokens, width, scratch)
    if picked > 0:
        rows_product(
            plan[_FIRST], plan[_FIRST + 1], plan[_FIRST + 2], total, projections * width, 0,
            projections, width, picked, active, bias, neurons * projections, NOTHING, neurons, ACTIVATE, kind, seen,
            tokens, hidden, threads,
        )  # fmt: skip
    if by_output:
        _rows(plan, _SECOND, hidden, tokens, scratch, threads)
    else:
        _down(plan, hidden, tokens, width, active, picked, scratch, threads)
    _add(plan, settings, scratch, tokens, width, x)
