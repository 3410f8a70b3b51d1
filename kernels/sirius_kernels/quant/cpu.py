"""The two parts of rounding that go through weights one by one, compiled for the CPU."""

import numpy as np
import torch
from numba import njit, prange

from sirius_kernels.cpu_memory import threads
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, Bits

_F = np.float32
_LANES = 16  # rows side by side: as many numbers as a vector holds
_ZERO, _ONE = _F(0.0), _F(1.0)


def best_scales(
    grouped: torch.Tensor, bits: Bits, stretches: tuple[float, ...], importance: torch.Tensor | None
) -> torch.Tensor:
    """As ``best_scales`` of :mod:`sirius_kernels.quant.rounding`, with its candidates."""
    if importance is None:
        importance = torch.ones(grouped.shape[1])
    scales = torch.empty(len(grouped))
    arrays = (tensor.numpy() for tensor in (grouped, importance, torch.tensor(stretches), scales))
    _best_scales(*arrays, _F(LOWEST[bits]), _F(HIGHEST[bits]), threads())
    return scales


def round_group(left: torch.Tensor, factor: torch.Tensor, scales: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """As ``_round_group`` of :mod:`sirius_kernels.quant.feedback`."""
    errors = torch.empty(left.shape)
    arrays = (tensor.numpy() for tensor in (left, factor.contiguous(), scales, codes, errors))
    _round_group(*arrays, _F(LOWEST[4]), _F(HIGHEST[4]), threads())
    return errors


@njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _best_scales(grouped, importance, stretches, scales, low, high, threads):  # type: ignore[no-untyped-def]
    rows, group = grouped.shape
    for part in prange(threads):
        weights = np.empty(group, np.float32)
        for row in range(rows * part // threads, rows * (part + 1) // threads):
            largest = _ZERO
            for k in range(group):
                weights[k] = grouped[row, k]
                if abs(weights[k]) > abs(largest):
                    largest = weights[k]
            best, scale = -_ONE, _ZERO
            for stretch in stretches if largest != _ZERO else stretches[:0]:
                inverse = low / largest * stretch
                fit, size = _ZERO, _ZERO
                for k in range(group):
                    code = min(max(np.rint(weights[k] * inverse), low), high)
                    fit += importance[k] * code * weights[k]
                    size += importance[k] * code * code
                gain = fit / size * fit if size > _ZERO else _ZERO
                if gain > best:
                    best, scale = gain, (fit / size if size > _ZERO else _ZERO)
            scales[row] = scale


@njit(parallel=True, cache=True, error_model="numpy")
def _round_group(left, factor, scales, codes, errors, low, high, threads):  # type: ignore[no-untyped-def]
    rows, group = left.shape
    for part in prange(threads):
        weights = np.zeros((group, _LANES), np.float32)
        lane_errors = np.zeros(_LANES, np.float32)
        end = rows * (part + 1) // threads
        for first in range(rows * part // threads, end, _LANES):
            count = min(_LANES, end - first)
            for lane in range(count):
                for column in range(group):
                    weights[column, lane] = left[first + lane, column]
            for column in range(group):
                for lane in range(count):
                    scale = scales[first + lane]
                    inverse = _ZERO if scale == _ZERO else _ONE / scale
                    code = min(max(np.rint(weights[column, lane] * inverse), low), high)
                    error = (weights[column, lane] - code * scale) / factor[column, column]
                    codes[first + lane, column] = np.int8(code)
                    errors[first + lane, column] = lane_errors[lane] = error
                for later in range(column + 1, group):
                    for lane in range(_LANES):
                        weights[later, lane] -= lane_errors[lane] * factor[column, later]
