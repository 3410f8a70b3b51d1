"""``normalise`` compiled for the CPU. torch's own ``rms_norm`` is eight small ops; a step calls it twice a layer."""

import math

import numpy as np
import torch
from numba import njit

from sirius_kernels.cpu_memory import address, floats
from sirius_kernels.cpu_parts import apart, as_bits, as_number, in_parts, named_part, together

_F = np.float32


def normalise(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, centred: bool
) -> torch.Tensor:
    """See :func:`sirius_kernels.norm.op.normalise`."""
    x = x.contiguous()
    out = torch.empty_like(x)
    normalise_rows(address(x), x.shape[0], x.shape[1], address(weight), address(bias), eps, centred, address(out))
    return out


@named_part(fastmath=True, error_model="numpy")
def _normalise(arguments, part, parts):  # type: ignore[no-untyped-def]
    x, tokens, width, weight, bias, eps, centred, out = apart(arguments, 8)
    weights, biases = floats(weight, width), floats(bias, width)
    source, target = floats(x, tokens * width), floats(out, tokens * width)
    for token in range(part * tokens // parts, (part + 1) * tokens // parts):
        row, result = source[token * width : (token + 1) * width], target[token * width : (token + 1) * width]
        mean = _F(0.0)
        if centred:
            for k in range(width):
                mean += row[k]
            mean /= _F(width)
        squares = _F(0.0)
        for k in range(width):
            squares += (row[k] - mean) * (row[k] - mean)
        scale = _F(1.0 / math.sqrt(squares / width + as_number(eps)))
        for k in range(width):
            result[k] = (row[k] - mean) * scale
        if weights.shape[0]:
            for k in range(width):
                result[k] *= weights[k]
        if biases.shape[0]:
            for k in range(width):
                result[k] += biases[k]


@njit("void(int64, int64, int64, int64, int64, float64, boolean, int64)", cache=True)
def normalise_rows(x, tokens, width, weight, bias, eps, centred, out):  # type: ignore[no-untyped-def]
    """``x[tokens, width]`` to ``out``, which may be ``x``; arrays by their addresses."""
    in_parts(_normalise(), together((x, tokens, width, weight, bias, as_bits(eps), centred, out)), 1)
