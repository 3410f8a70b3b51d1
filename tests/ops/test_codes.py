"""The loops over quantised rows: both ways to multiply, wherever the processor knows them."""

import functools

import numpy as np
import pytest
import torch
from numba import njit

from sirius_kernels import cpu_quant
from sirius_kernels.cpu_bytes import byte_vector, dots_of_bytes
from sirius_kernels.cpu_codes import dots_of_numbers
from sirius_kernels.cpu_llvm import MULTIPLIES_BYTES
from sirius_kernels.cpu_memory import address_of, hold
from sirius_kernels.linear.op import linear
from sirius_kernels.quant.matrix import HIGHEST, LOWEST, packed
from sirius_kernels.quant.rounding import rounded_activations

FORMATS = [(bits, group) for bits in (4, 8) for group in (32, 64, 128)]
vnni = pytest.mark.skipif(not MULTIPLIES_BYTES, reason="this processor does not multiply bytes")


def drawn(bits, group, blocks, tokens):
    g = torch.Generator().manual_seed(0)
    depth = blocks * max(64, group)
    codes = torch.randint(LOWEST[bits], HIGHEST[bits] + 1, (3, depth), dtype=torch.int8, generator=g)
    scales = torch.rand(3, depth // group, generator=g).bfloat16()
    return packed(codes, scales, bits, group), torch.randn(1 + tokens, depth, generator=g)


@functools.cache
def compiled(dots, vector, bits, group, rows, tokens):
    """Rows 1 and on of a matrix times tokens 1 and on, by dot products for compiled code."""
    packed = 8 if bits == 4 else 1

    @njit
    def run(codes, scales, x):
        values, sizes, origins = vector(x[0], bits)
        all_values, all_sizes, all_origins = (
            np.empty((len(x), len(values)), values.dtype),
            np.empty((len(x), len(sizes)), sizes.dtype),
            np.empty((len(x), len(origins)), origins.dtype),
        )
        for token in range(len(x)):
            all_values[token], all_sizes[token], all_origins[token] = vector(x[token], bits)
        out, depth = np.full(2 * rows * tokens + 1, np.nan, np.float32), x.shape[1]
        starts, places = (1 + np.arange(2 * rows) % rows) * depth, 1 + 2 * np.arange(rows)
        code_at, scale_at = starts // packed, starts // group
        dots(
            bits, group, rows, tokens, address_of(codes), address_of(scales), address_of(code_at),
            address_of(scale_at), rows, address_of(all_values), address_of(all_sizes), address_of(all_origins), 1,
            len(sizes), depth // 64, address_of(out) - 4 * 2 * rows, address_of(places), 2 * rows,
        )  # fmt: skip
        hold((starts, places, code_at, scale_at, all_values, all_sizes, all_origins))
        return out

    return run


def products(dots, vector, matrix, x):
    rows = len(matrix.codes) - 1
    run = compiled(dots, vector, matrix.bits, matrix.group, rows, len(x) - 1)
    out = run(matrix.codes.numpy(), matrix.scales.view(torch.int16).numpy(), x.numpy())
    assert np.isnan(out[::2]).all()
    return torch.from_numpy(out[1::2].reshape(-1, rows).copy())


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("blocks", [1, 2, 5])
@pytest.mark.parametrize(("bits", "group"), FORMATS)
def test_codes_as_numbers(bits, group, blocks, tokens):
    matrix, x = drawn(bits, group, blocks, tokens)
    expected = x[1:] @ matrix.dequantised(torch.float32)[1:].t()
    assert torch.allclose(products(dots_of_numbers, cpu_quant.float_vector, matrix, x), expected, rtol=1e-4, atol=1e-4)


@vnni
@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("blocks", [1, 2, 5])
@pytest.mark.parametrize(("bits", "group"), FORMATS)
def test_codes_as_bytes(bits, group, blocks, tokens):
    matrix, x = drawn(bits, group, blocks, tokens)
    expected = rounded_activations(x[1:]) @ matrix.dequantised(torch.float32)[1:].t()
    assert torch.allclose(products(dots_of_bytes, byte_vector, matrix, x), expected, rtol=1e-4, atol=1e-4)


def test_rounding_activations_loses_little_and_repeats_itself():
    x = torch.randn(3, 256, generator=torch.Generator().manual_seed(0))
    x[1, 32:64] = 0.0
    x[2] *= 1e-30
    once = rounded_activations(x)
    largest = x.view(3, -1, 32).abs().amax(-1, keepdim=True)
    assert ((once - x).view(3, -1, 32).abs() <= largest / 254 * 1.001).all()
    assert torch.allclose(rounded_activations(once), once, rtol=1e-6, atol=0.0)


@vnni
@pytest.mark.parametrize("tokens", [1, 3, 9, 20])
def test_one_token_and_many_meet_the_same_numbers(tokens):
    matrix, x = drawn(4, 32, 5, 0)
    x = x.expand(tokens, -1) * torch.arange(1, tokens + 1)[:, None]
    expected = rounded_activations(x) @ matrix.dequantised(torch.float32).t()
    assert torch.allclose(linear(x, matrix, impl="numba"), expected, rtol=1e-4, atol=1e-4 * tokens)
