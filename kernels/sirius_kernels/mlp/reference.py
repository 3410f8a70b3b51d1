"""The two halves of a neuron-sparse MLP in plain torch."""

from collections.abc import Callable

import torch
from torch.nn import functional

from sirius_kernels.contracts import Activation
from sirius_kernels.quant.matrix import Weight, plain


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    "silu": functional.silu,
    "gelu_tanh": _gelu_tanh,
    "gelu": functional.gelu,
    "relu": functional.relu,
}


def mlp_hidden(
    x: torch.Tensor,
    gate_up: Weight,
    bias: torch.Tensor | None,
    activation: Activation,
    active: torch.Tensor | None,
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
    gate_up = plain(gate_up, x.dtype)
    if active is not None:
        gate_up = gate_up[active]
        bias = None if bias is None else bias[active]
    neurons, projections, width = gate_up.shape
    flat_bias = None if bias is None else bias.reshape(-1)
    y = functional.linear(x, gate_up.view(neurons * projections, width), flat_bias)
    y = y.view(x.shape[0], neurons, projections)
    hidden = ACTIVATIONS[activation](y[..., 0])
    return hidden * y[..., 1] if projections == 2 else hidden


def mlp_gate(x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, activation: Activation) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
    rows = plain(gate_up, x.dtype)[:, 0]
    return ACTIVATIONS[activation](functional.linear(x, rows, None if bias is None else bias[:, 0]))


def mlp_up(
    x: torch.Tensor, gate: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_up`."""
    picked = slice(None) if active is None else active
    if gate_up.shape[1] == 1:
        return gate[:, picked]
    rows = plain(gate_up, x.dtype)[picked, 1]
    return gate[:, picked] * functional.linear(x, rows, None if bias is None else bias[picked, 1])


def mlp_down(
    hidden: torch.Tensor, down_t: Weight, bias: torch.Tensor | None, active: torch.Tensor | None
) -> torch.Tensor:
    """See :func:`sirius_kernels.mlp.op.mlp_down`."""
    rows = plain(down_t, hidden.dtype)
    rows = rows if active is None else rows[active]
    return hidden @ rows if bias is None else torch.addmm(bias, hidden, rows)
