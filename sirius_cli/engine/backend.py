"""Choose how the ops run, and say why."""

from dataclasses import dataclass

import torch

from sirius_kernels import cpu_jit, gpu_jit
from sirius_kernels.attention.op import attention
from sirius_kernels.contracts import Activation, Impl, Onto
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.norm.op import normalise
from sirius_kernels.peaks.op import Peaks, peaks
from sirius_kernels.quant.matrix import Down, Weight
from sirius_kernels.select.op import select_rows

OP_NAMES = ("normalise", "linear", "mlp", "select_rows", "attention")
_ON_MATRIX_UNITS = ("linear", "mlp")
REPLAYED_OP_NAMES = ("peaks",)
"""Of windows that a GPU replays alone."""


@dataclass(frozen=True, slots=True)
class Ops:
    """The ops of a decoder, bound to one implementation; ``reason`` says why it was chosen."""

    impl: Impl
    reason: str

    def normalise(
        self,
        x: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        *,
        eps: float,
        centred: bool,
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.norm.op.normalise`."""
        return normalise(x, weight, bias, eps=eps, centred=centred, impl=self.impl)

    def linear(
        self, x: torch.Tensor, weight: Weight, bias: torch.Tensor | None = None, *, fp32: bool = False
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.linear.op.linear`."""
        return linear(x, weight, bias, fp32=fp32, impl=self.impl)

    def mlp_hidden(
        self,
        x: torch.Tensor,
        gate_up: Weight,
        bias: torch.Tensor | None,
        *,
        activation: Activation,
        active: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.mlp.op.mlp_hidden`."""
        return mlp_hidden(x, gate_up, bias, activation=activation, active=active, impl=self.impl)

    def mlp_gate(
        self, x: torch.Tensor, gate_up: Weight, bias: torch.Tensor | None, *, activation: Activation
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.mlp.op.mlp_gate`."""
        return mlp_gate(x, gate_up, bias, activation=activation, impl=self.impl)

    def mlp_up(
        self,
        x: torch.Tensor,
        gate: torch.Tensor,
        gate_up: Weight,
        bias: torch.Tensor | None,
        *,
        active: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.mlp.op.mlp_up`."""
        return mlp_up(x, gate, gate_up, bias, active=active, impl=self.impl)

    def mlp_down(
        self,
        hidden: torch.Tensor,
        down_t: Down,
        bias: torch.Tensor | None,
        *,
        active: torch.Tensor | None = None,
        onto: Onto | None = None,
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.mlp.op.mlp_down`."""
        return mlp_down(hidden, down_t, bias, active=active, onto=onto, impl=self.impl)

    def select_rows(self, scores: torch.Tensor, count: int, *, magnitude: bool = False) -> torch.Tensor:
        """See :func:`sirius_kernels.select.op.select_rows`."""
        return select_rows(scores, count, magnitude=magnitude, impl=self.impl)

    def peaks(self, logits: torch.Tensor, *, temperature: float = 1.0) -> Peaks:
        """See :func:`sirius_kernels.peaks.op.peaks`."""
        return peaks(logits, temperature=temperature, impl=self.impl)

    def attention(
        self,
        qkv: torch.Tensor,
        turns: torch.Tensor | None,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        rows: torch.Tensor | None,
        start: torch.Tensor,
        *,
        scale: float,
        window: int | None,
        softcap: float | None,
    ) -> torch.Tensor:
        """See :func:`sirius_kernels.attention.op.attention`."""
        return attention(
            qkv, turns, k_cache, v_cache, rows, start, scale=scale, window=window, softcap=softcap, impl=self.impl
        )


def torch_ops(reason: str = "asked for") -> Ops:
    """The reference ops in plain torch."""
    return Ops("torch", reason)


def choose_ops(device: str, dtype: torch.dtype) -> Ops:
    """The fastest ops that can run ``dtype`` on ``device`` ("cpu", "cuda", "cuda:1", …)."""
    if device != "cpu":
        problem = gpu_jit.unavailable_reason(device)
        return torch_ops(problem) if problem else Ops("triton", "compiled for this GPU when first used")
    if dtype is not torch.float32:
        return torch_ops(f"the compiled CPU kernels take float32, not {str(dtype).removeprefix('torch.')}")
    problem = cpu_jit.unavailable_reason()
    return torch_ops(problem) if problem else Ops("numba", "compiled for this processor")


def describe(device: str, dtype: torch.dtype = torch.float32) -> dict[str, str]:
    """Name and reason of the implementation of each op, for people."""
    ops = choose_ops(device, dtype)
    names = OP_NAMES + (REPLAYED_OP_NAMES if ops.impl == "triton" else ())
    told = dict.fromkeys(names, f"{ops.impl} ({ops.reason})")
    if ops.impl == "numba" and cpu_jit.matrix_units():
        told |= dict.fromkeys(_ON_MATRIX_UNITS, f"{ops.impl} ({ops.reason}; matrix units take bfloat16 weights)")
    return told
