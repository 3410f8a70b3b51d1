"""Half a layer as one op: what a small model's step is made of, so that calls do not outweigh what they do.

Made once from its weights, then called in every pass. The compiled CPU kernels run a pass of few tokens in one call;
all else is the single ops, one after the other.
"""

from collections.abc import Callable
from typing import Final

import torch

from sirius_kernels.attention.op import attention
from sirius_kernels.block.weights import Around, AttentionWeights, MlpWeights, Norm
from sirius_kernels.contracts import Impl, Onto
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_hidden
from sirius_kernels.norm.op import normalise

Branch = Callable[[torch.Tensor, Onto | None], torch.Tensor]
"""From its input ``[N, D]`` to its output, which it adds onto a sum where it is given one."""
Adjust = Callable[[torch.Tensor], None]
Watch = Callable[[torch.Tensor, torch.Tensor], object]
MOST_TOKENS: Final = 32  # of a pass that is one call; with more, calls cost next to nothing beside the work


class AttentionBlock:
    """``x += multiplier * after(out(attention(adjust(qkv(before(x))))))``.

    ``adjust``, if there is one, changes ``qkv[R, T, H + 2 Hkv, d]`` in place before the rotation.
    """

    def __init__(
        self,
        weights: AttentionWeights,
        around: Around,
        impl: Impl,
        adjust: Adjust | None = None,
    ) -> None:
        self._weights, self._around, self._impl, self._adjust = weights, around, impl, adjust
        self._at_once = None
        if impl == "numba" and adjust is None:
            from sirius_kernels.block import cpu

            self._at_once = cpu.Attention(weights, around)

    def __call__(
        self,
        x: torch.Tensor,
        batch: int,
        turns: torch.Tensor | None,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        rows: torch.Tensor | None,
        start: torch.Tensor,
        tree: torch.Tensor | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Change ``x[R T, D]``, ``batch`` rows of as many tokens each, in place; the rest as for ``attention``.

        ``watch``, if there is one, is shown what ``qkv`` and ``out`` are multiplied with: ``[R T, D]``, ``[R T, H d]``.
        """
        if self._at_once is not None and watch is None and x.shape[0] <= MOST_TOKENS:
            self._at_once(x, batch, turns, k_cache, v_cache, rows, start, tree)
            return
        found, impl = self._weights, self._impl

        def branch(x: torch.Tensor, onto: Onto | None) -> torch.Tensor:
            qkv = linear(x, found.qkv, found.qkv_bias, impl=impl).view(batch, len(x) // batch, -1, found.head_dim)
            if self._adjust is not None:
                self._adjust(qkv)
            mixed = attention(
                qkv, turns, k_cache, v_cache, rows, start, scale=found.scale, window=found.window,
                softcap=found.softcap, tree=tree, impl=impl,
            ).reshape(len(x), -1)  # fmt: skip
            if watch is not None:
                watch(x, mixed)
            return linear(mixed, found.out, found.out_bias, onto=onto, impl=impl)

        add_branch(x, self._around, branch, impl)


class MlpBlock:
    """``x += multiplier * after(mlp(before(x)))``, with all neurons or the ``active`` ones."""

    def __init__(self, weights: MlpWeights, around: Around, impl: Impl) -> None:
        self.weights = weights
        self._around, self._impl = around, impl
        self._at_once = None
        if impl == "numba":
            from sirius_kernels.block import cpu

            self._at_once = cpu.Mlp(weights, around)

    def __call__(self, x: torch.Tensor, active: torch.Tensor | None = None) -> None:
        """Change ``x[N, D]`` in place. ``active`` is ``int32[A]``, ascending, as for ``mlp_hidden``."""
        if self._at_once is not None and x.shape[0] <= MOST_TOKENS:
            self._at_once(x, active)
            return
        self.watched(x, None, active)

    def watched(self, x: torch.Tensor, look: Watch | None, active: torch.Tensor | None = None) -> None:
        """As the call, and ``look`` is shown the branch's input ``[N, D]`` and activations ``[N, F]`` or ``[N, A]``.

        It may change the activations in place.
        """
        found, impl = self.weights, self._impl

        def branch(x: torch.Tensor, onto: Onto | None) -> torch.Tensor:
            hidden = mlp_hidden(x, found.gate_up, found.bias, activation=found.activation, active=active, impl=impl)
            if look is not None:
                look(x, hidden)
            return mlp_down(hidden, found.down_t, found.down_bias, active=active, onto=onto, impl=impl)

        self.around(x, branch)

    def around(self, x: torch.Tensor, branch: Branch) -> None:
        """As the call, with another ``branch`` for the MLP: for who takes it apart."""
        add_branch(x, self._around, branch, self._impl)


def add_branch(x: torch.Tensor, around: Around, branch: Branch, impl: Impl) -> None:
    """``x[N, D] += multiplier * after(branch(before(x)))``, in place."""
    sum_ = Onto(x, around.multiplier)
    y = branch(_normalised(x, around.before, impl), sum_ if around.after is None else None)
    if around.after is not None:
        sum_.add(_normalised(y, around.after, impl))


def _normalised(x: torch.Tensor, norm: Norm | None, impl: Impl) -> torch.Tensor:
    if norm is None:
        return x
    return normalise(x, norm.weight, norm.bias, eps=norm.eps, centred=norm.centred, impl=impl)
