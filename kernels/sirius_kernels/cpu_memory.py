"""Tensors as plain addresses: the cheapest way into compiled code.

Handing over a NumPy view costs about 3 microseconds for the view and 1 more to unpack; a small model makes a thousand
such hand-overs for a token. Launchers have checked dtype, device and contiguity before they take an address.
"""

from typing import Any

import numba
import numpy as np
import torch
from numba import carray, njit, types
from numba.extending import intrinsic

NOTHING = 0  # the address of an argument that is not there

_threads: int = numba.config.NUMBA_NUM_THREADS


def set_threads(count: int) -> None:
    """Let kernels use ``count`` threads, at most as many as numba was started with."""
    global _threads
    _threads = min(count, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(_threads)


def threads() -> int:
    """How many threads kernels use. Numba's own answer takes longer, and compiled code that asks it is not cached."""
    return _threads


def address(tensor: torch.Tensor | None) -> int:
    """Where the data of a contiguous CPU tensor begins."""
    return NOTHING if tensor is None else tensor.data_ptr()


@intrinsic
def address_of(typingctx, array):  # type: ignore[no-untyped-def]
    """Where the data of an array begin. What uses them must come before a :func:`hold` of the array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), codegen


@intrinsic
def hold(typingctx, array):  # type: ignore[no-untyped-def]
    """Nothing; but numba frees an array after its last mention, and does not count its address as one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.void(array), codegen


@intrinsic
def _pointer(typingctx, where):  # type: ignore[no-untyped-def]
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), codegen


@njit(inline="always", error_model="numpy")
def floats(where, count):  # type: ignore[no-untyped-def]
    """``fp32[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.float32)


@njit(inline="always", error_model="numpy")
def integers(where, count):  # type: ignore[no-untyped-def]
    """``int32[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.int32)


@njit(inline="always", error_model="numpy")
def short_integers(where, count):  # type: ignore[no-untyped-def]
    """``int16[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.int16)


@njit(inline="always", error_model="numpy")
def octets(where, count):  # type: ignore[no-untyped-def]
    """``int8[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.int8)


@njit(inline="always", error_model="numpy")
def long_integers(where, count):  # type: ignore[no-untyped-def]
    """``int64[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.int64)


@njit(inline="always", error_model="numpy")
def doubles(where, count):  # type: ignore[no-untyped-def]
    """``fp64[count]`` at an address; empty at :data:`NOTHING`."""
    return carray(_pointer(where), (count if where != NOTHING else 0,), np.float64)
