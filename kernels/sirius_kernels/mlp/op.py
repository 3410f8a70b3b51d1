"""The MLP with neurons that can be skipped, in two halves around the hidden activations.

Layout (neuron-major): ``gate_up[F, G, D]`` holds the gate row (slot 0) and the up row (slot 1) of one neuron side by
side, ``G = 1`` for an MLP without a gate; ``down_t[F, D]`` is the down projection transposed. A skipped neuron is a
contiguous stretch of memory that is never read. ``active`` lists the neurons to use, ascending ``int32``. Weights may
be quantised, with groups along ``D``, or along ``F`` in a down projection that is stored by its outputs.
"""

import torch

from sirius_kernels.contracts import (
    Activation,
    ContractError,
    Impl,
    Onto,
    added,
    expect_contiguous,
    expect_dtype,
    expect_shape,
)
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp import reference
from sirius_kernels.quant.matrix import ByOutput, Down, Weight, expect_weight


def mlp_hidden(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None = None,
    *,
    activation: Activation,
    active: torch.Tensor | None = None,
    impl: Impl,
) -> torch.Tensor:
    """``act(gate x) * (up x)`` (or ``act(up x)`` without a gate): ``x[N, D]``, ``bias[F, G]`` -> ``[N, A]``.

    ``A`` is the length of ``active``, or all ``F`` neurons. Reads ``A * G * D`` weights.
    """
    _expect_gate_up(x, gate_up, bias)
    _expect_active(active)
    if impl == "numba":
        from sirius_kernels.mlp import cpu

        return cpu.mlp_hidden(x, gate_up, bias, activation, active)
    if impl == "triton":
        from sirius_kernels.mlp import gpu

        return gpu.mlp_hidden(x, gate_up, bias, activation, active)
    return reference.mlp_hidden(x, gate_up, bias, activation, active)


def mlp_gate(
    x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None = None, *, activation: Activation, impl: Impl
) -> torch.Tensor:
    """``act(gate x)`` of every neuron (slot 0): ``x[N, D]`` -> ``[N, F]``. Reads ``F * D`` weights."""
    _expect_gate_up(x, gate_up, bias)
    if impl == "numba":
        from sirius_kernels.mlp import cpu

        return cpu.mlp_gate(x, gate_up, bias, activation)
    if impl == "triton":
        from sirius_kernels.mlp import gpu

        return gpu.mlp_gate(x, gate_up, bias, activation)
    return reference.mlp_gate(x, gate_up, bias, activation)


def mlp_up(
    x: torch.Tensor,
    gate: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None = None,
    *,
    active: torch.Tensor | None = None,
    impl: Impl,
) -> torch.Tensor:
    """``gate[:, active] * (up x)[:, active]``: ``x[N, D]``, ``gate[N, F]`` -> ``[N, A]``. Reads ``A * D`` weights.

    Without a gate (``G = 1``) this is just ``gate[:, active]``.
    """
    _expect_gate_up(x, gate_up, bias)
    _expect_active(active)
    expect_shape("gate", gate, x.shape[0], gate_up.shape[0])
    if impl == "numba":
        from sirius_kernels.mlp import cpu

        return cpu.mlp_up(x, gate, gate_up, bias, active)
    if impl == "triton":
        from sirius_kernels.mlp import gpu

        return gpu.mlp_up(x, gate, gate_up, bias, active)
    return reference.mlp_up(x, gate, gate_up, bias, active)


def mlp_down(
    hidden: torch.Tensor,
    down_t: Down,
    bias: torch.Tensor | None = None,
    *,
    active: torch.Tensor | None = None,
    onto: Onto | None = None,
    impl: Impl,
) -> torch.Tensor:
    """``hidden @ down_t[active] + bias``: ``hidden[N, A]``, ``bias[D]`` -> ``[N, D]``. Reads ``A * D`` weights.

    The result is added ``onto`` a sum, if there is one, which then is given back.
    Raises ``ContractError`` for ``active`` neurons of a down projection by outputs.
    """
    if isinstance(down_t, ByOutput):
        if active is not None:
            raise ContractError("a down projection by outputs cannot skip neurons")
        return linear(hidden, down_t.rows, bias, onto=onto, impl=impl)
    neurons = down_t.shape[0] if active is None else active.shape[0]
    expect_shape("hidden", hidden, None, neurons)
    expect_weight("down_t", down_t, hidden, "hidden")
    _expect_active(active)
    if onto is not None:
        expect_shape("onto", onto.sum, hidden.shape[0], down_t.shape[1])
        expect_contiguous("onto", onto.sum)
    if impl == "triton":
        from sirius_kernels.mlp import gpu

        return gpu.mlp_down(hidden, down_t, bias, active, onto)
    if impl == "numba":
        from sirius_kernels.mlp import cpu

        result = cpu.mlp_down(hidden, down_t, bias, active)
    else:
        result = reference.mlp_down(hidden, down_t, bias, active)
    return added(result, onto)


def _expect_gate_up(x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None) -> None:
    expect_shape("x", x, None, gate_up.shape[-1])
    expect_weight("gate_up", gate_up, x)
    if gate_up.shape[1] not in (1, 2):
        raise ContractError(f"gate_up has {gate_up.shape[1]} projections a neuron, expected 1 or 2")
    if bias is not None:
        expect_shape("bias", bias, gate_up.shape[0], gate_up.shape[1])


def _expect_active(active: torch.Tensor | None) -> None:
    if active is not None:
        expect_shape("active", active, None)
        expect_dtype("active", active, torch.int32)
