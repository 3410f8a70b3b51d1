"""The two parts of rounding that go through weights one by one, compiled for the CPU.

Rows may lie in larger ones: a *step* is how far apart they begin.
"""

import numpy as np
import torch
from numba import njit

from sirius_kernels.contracts import ContractError
from sirius_kernels.cpu_memory import address, floats, octets, threads
from sirius_kernels.cpu_parts import apart, in_parts, named_part, together
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, Bits

_F = np.float32
_LANES = 16  # rows side by side: as many numbers as a vector holds
_ZERO, _ONE = _F(0.0), _F(1.0)
_LOW, _HIGH = _F(LOWEST[4]), _F(HIGHEST[4])


def best_scales(
    grouped: torch.Tensor, bits: Bits, stretches: tuple[float, ...], importance: torch.Tensor | None
) -> torch.Tensor:
    """As ``best_scales`` of :mod:`sirius_kernels.quant.rounding`, with its candidates."""
    rows, group = grouped.shape
    weights = torch.ones(group) if importance is None else importance.contiguous()
    factors, scales = torch.tensor(stretches), torch.empty(rows)
    _best_scales(
        grouped.data_ptr(), _step(grouped), rows, group, address(weights), address(factors), len(factors),
        LOWEST[bits], HIGHEST[bits], address(scales), threads(),
    )  # fmt: skip
    return scales


def round_group(left: torch.Tensor, factor: torch.Tensor, scales: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """As ``_round_group`` of :mod:`sirius_kernels.quant.feedback`."""
    errors, factor, scales = torch.empty(left.shape), factor.contiguous(), scales.contiguous()
    _round_group(
        left.data_ptr(), _step(left), *left.shape, address(factor), address(scales), codes.data_ptr(), _step(codes),
        address(errors), threads(),
    )  # fmt: skip
    return errors


def _step(rows: torch.Tensor) -> int:
    if rows.stride(1) != 1:
        raise ContractError(f"neighbours in a row are {rows.stride(1)} numbers apart, expected 1")
    return rows.stride(0)


@named_part(fastmath=True, error_model="numpy")
def _scales_of_rows(arguments, part, parts):  # type: ignore[no-untyped-def]
    grouped, step, rows, group, importance, stretches, count, lowest, highest, scales = apart(arguments, 10)
    values, found = floats(grouped, (rows - 1) * step + group), floats(scales, rows)
    weighed, factors, low, high = floats(importance, group), floats(stretches, count), _F(lowest), _F(highest)
    weights = np.empty(group, np.float32)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        largest = _ZERO
        for k in range(group):
            weights[k] = values[row * step + k]
            if abs(weights[k]) > abs(largest):
                largest = weights[k]
        best, scale = -_ONE, _ZERO
        for stretch in factors if largest != _ZERO else factors[:0]:
            inverse = low / largest * stretch
            fit, size = _ZERO, _ZERO
            for k in range(group):
                code = min(max(np.rint(weights[k] * inverse), low), high)
                fit += weighed[k] * code * weights[k]
                size += weighed[k] * code * code
            gain = fit / size * fit if size > _ZERO else _ZERO
            if gain > best:
                best, scale = gain, (fit / size if size > _ZERO else _ZERO)
        found[row] = scale


@njit(f"void({', '.join(['int64'] * 11)})", cache=True)
def _best_scales(grouped, step, rows, group, importance, stretches, count, lowest, highest, scales, threads):  # type: ignore[no-untyped-def]
    arguments = together((grouped, step, rows, group, importance, stretches, count, lowest, highest, scales))
    in_parts(_scales_of_rows(), arguments, threads)


@named_part(error_model="numpy")
def _codes_of_rows(arguments, part, parts):  # type: ignore[no-untyped-def]
    left, left_step, rows, group, factor, scales, codes, code_step, errors = apart(arguments, 9)
    values, found = floats(left, (rows - 1) * left_step + group), octets(codes, (rows - 1) * code_step + group)
    factors, scale_values = floats(factor, group * group).reshape(group, group), floats(scales, rows)
    missed = floats(errors, rows * group).reshape(rows, group)
    weights, lane_errors = np.zeros((group, _LANES), np.float32), np.zeros(_LANES, np.float32)
    end = rows * (part + 1) // parts
    for first in range(rows * part // parts, end, _LANES):
        count = min(_LANES, end - first)
        for lane in range(count):
            for column in range(group):
                weights[column, lane] = values[(first + lane) * left_step + column]
        for column in range(group):
            for lane in range(count):
                scale = scale_values[first + lane]
                inverse = _ZERO if scale == _ZERO else _ONE / scale
                code = min(max(np.rint(weights[column, lane] * inverse), _LOW), _HIGH)
                error = (weights[column, lane] - code * scale) / factors[column, column]
                found[(first + lane) * code_step + column] = np.int8(code)
                missed[first + lane, column] = lane_errors[lane] = error
            for later in range(column + 1, group):
                for lane in range(_LANES):
                    weights[later, lane] -= lane_errors[lane] * factors[column, later]


@njit(f"void({', '.join(['int64'] * 10)})", cache=True)
def _round_group(left, left_step, rows, group, factor, scales, codes, code_step, errors, threads):  # type: ignore[no-untyped-def]
    arguments = together((left, left_step, rows, group, factor, scales, codes, code_step, errors))
    in_parts(_codes_of_rows(), arguments, threads)
