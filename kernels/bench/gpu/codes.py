"""Quantised weights that are drawn, and what they multiply: rounding takes longer than all that is measured here."""

import torch

from sirius_kernels.quant.matrix import HIGHEST, SHARING, Bits, QuantMatrix

_SPREAD = {8: 74.0, 4: 4.6}  # of codes that are drawn evenly: their standard deviation


def random_codes(shape: tuple[int, ...], bits: Bits, group: int, device: torch.device, std: float) -> QuantMatrix:
    """A matrix of ``shape`` whose weights have about the standard deviation ``std``."""
    kind, per_word = (torch.int8, 1) if bits == 8 else (torch.int32, 8)
    size, limits = (*shape[:-1], shape[-1] // per_word), torch.iinfo(kind)
    codes = torch.randint(limits.min + 1, limits.max, size, dtype=kind, device=device)
    scales = torch.full((*shape[:-1], shape[-1] // group), std / _SPREAD[bits], dtype=torch.bfloat16, device=device)
    return QuantMatrix(codes, scales, bits, group)


def byte_tokens(tokens: int, depth: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """``dtype[tokens, depth]`` that kernels and references take alike: rounding to bytes changes nothing.

    Each 32 are whole numbers of up to 127 in size, 127 among them, times a power of two.
    """
    codes = torch.randint(-HIGHEST[8], HIGHEST[8] + 1, (tokens, depth), device=device)
    codes[:, ::SHARING] = HIGHEST[8]
    return codes.div(512).to(dtype)
