"""Checks that launchers make before they touch memory: each refusal names the argument and the numbers."""

from dataclasses import dataclass
from typing import Literal

import torch

Impl = Literal["torch", "numba", "triton"]
Activation = Literal["silu", "gelu_tanh", "gelu", "relu"]


class ContractError(ValueError):
    """An argument that an op cannot take."""


@dataclass(frozen=True, slots=True)
class Onto:
    """Where an op adds its result ``[N, M]``, times ``scale``, in place, instead of giving it."""

    sum: torch.Tensor
    scale: float = 1.0

    def add(self, result: torch.Tensor) -> torch.Tensor:
        """For ops that cannot do so themselves. Gives the sum."""
        return self.sum.add_(result, alpha=self.scale)


def added(result: torch.Tensor, onto: Onto | None) -> torch.Tensor:
    """``result``, or the sum that it was added onto."""
    return result if onto is None else onto.add(result)


def expect_shape(name: str, tensor: torch.Tensor, *shape: int | None) -> None:
    """Refuse ``tensor`` unless it has ``shape``; ``None`` stands for any size."""
    if len(shape) == len(tensor.shape):
        for want, got in zip(shape, tensor.shape, strict=True):
            if want is not None and want != got:
                break
        else:
            return
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    raise ContractError(f"{name} has shape {tuple(tensor.shape)}, expected ({wanted})")


def expect_dtype(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> None:
    """Refuse ``tensor`` unless it has ``dtype``."""
    if tensor.dtype is not dtype:
        raise ContractError(f"{name} is {tensor.dtype}, expected {dtype}")


def expect_contiguous(name: str, tensor: torch.Tensor) -> None:
    """Refuse ``tensor`` unless its rows lie one after another in memory."""
    if not tensor.is_contiguous():
        raise ContractError(f"{name} has strides {tensor.stride()} for {tuple(tensor.shape)}, expected contiguous")
