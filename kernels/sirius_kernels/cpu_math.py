"""fp32 elementary functions that LLVM can vectorise (the C library's cannot be), for use in compiled code."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_F = np.float32
_LOWEST, _HIGHEST = _F(-87.0), _F(88.0)
_LOG2_E, _HALF, _ONE, _TWO = _F(1.4426950408889634), _F(0.5), _F(1.0), _F(2.0)
# ln 2 in two parts, so that n * ln 2 loses no bits (Cody and Waite).
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)
# Minimax polynomial of (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, as in Cephes' expf; worst error about 1 ulp.
_P0, _P1, _P2 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_P3, _P4, _P5 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)
_SQRT_2_OVER_PI, _GELU_CUBIC = _F(0.7978845608028654), _F(0.044715)


@intrinsic
def _power_of_two(typingctx, exponent):  # type: ignore[no-untyped-def]
    """2**exponent for a whole fp32 number, by writing the exponent bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = builder.fptosi(args[0], ir.IntType(32))
        biased = builder.add(whole, ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.float32), codegen


@njit(inline="always", error_model="numpy")
def exp(x):  # type: ignore[no-untyped-def]
    """e**x, x clamped to the normal range of fp32."""
    x = min(max(x, _LOWEST), _HIGHEST)
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    return (p * r * r + r + _ONE) * _power_of_two(n)


@njit(inline="always", error_model="numpy")
def tanh(x):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent."""
    return _ONE - _TWO / (exp(_TWO * x) + _ONE)


@njit(inline="always", error_model="numpy")
def silu(x):  # type: ignore[no-untyped-def]
    """x * sigmoid(x)."""
    return x / (_ONE + exp(-x))


@njit(inline="always", error_model="numpy")
def gelu_tanh(x):  # type: ignore[no-untyped-def]
    """GELU in its tanh form."""
    return _HALF * x * (_ONE + tanh(_SQRT_2_OVER_PI * (x + _GELU_CUBIC * x * x * x)))
