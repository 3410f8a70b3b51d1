"""Kernels on several threads: one parallel loop for all of them.

Numba compiles into a function whatever it calls, and the body of a parallel loop three times over. So the loop is here
alone, and what it runs are *parts*: functions compiled once, which others call by where they are. A part takes the
address of its arguments, all of eight bytes, the number of this part, and of how many.
"""

from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding
from llvmlite import ir
from numba import cfunc, njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

_PART: Final = "void(int64, int64, int64)"
_WORD = ir.IntType(64)
_PART_TYPE = ir.FunctionType(ir.VoidType(), [_WORD] * 3)


_named: list[object] = []  # parts that symbols stand for, which must not be freed


def part(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Compile ``function(arguments, part, parts)`` by itself; ``address`` of what this gives is where it is."""
    return cfunc(_PART, cache=True, **options)  # type: ignore[no-any-return]


def named_part(**options: Any) -> Callable[[Callable[..., None]], Callable[[], int]]:
    """A :func:`part` that compiled code may call: there what this gives returns its address.

    Addresses change from run to run, and code that is kept on disk may not hold them: it holds a symbol.
    """

    def compiled(function: Callable[..., None]) -> Callable[[], int]:
        symbol, done = f"{function.__module__}.{function.__name__}", part(**options)(function)
        llvmlite.binding.add_symbol(symbol, done.address)
        _named.append(done)

        @intrinsic
        def where(typingctx):  # type: ignore[no-untyped-def]
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return builder.ptrtoint(cgutils.get_or_insert_function(builder.module, _PART_TYPE, symbol), _WORD)

            return types.int64(), codegen

        return where  # type: ignore[no-any-return]

    return compiled


@intrinsic
def together(typingctx, numbers):  # type: ignore[no-untyped-def]
    """Where a tuple's whole numbers lie one after the other, for as long as the caller runs."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = len(signature.args[0])
        place = cgutils.alloca_once(builder, ir.ArrayType(_WORD, count))
        for i, kind in enumerate(signature.args[0]):
            value = context.cast(builder, builder.extract_value(args[0], i), kind, types.int64)
            builder.store(value, cgutils.gep_inbounds(builder, place, 0, i))
        return builder.ptrtoint(place, _WORD)

    return types.int64(numbers), codegen


@intrinsic(prefer_literal=True)
def apart(typingctx, arguments, count):  # type: ignore[no-untyped-def]
    """The ``count`` numbers, a literal, that lie at ``arguments``."""
    length = count.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], _WORD.as_pointer())
        values = [builder.load(builder.gep(place, [ir.Constant(_WORD, i)])) for i in range(length)]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(types.int64, length)(arguments, count), codegen


@intrinsic
def as_bits(typingctx, number):  # type: ignore[no-untyped-def]
    """An fp64 number as one of :func:`together`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _WORD)

    return types.int64(types.float64), codegen


@intrinsic
def as_number(typingctx, bits):  # type: ignore[no-untyped-def]
    """The fp64 number whose :func:`as_bits` these are."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def _call(typingctx, where, arguments, part, parts):  # type: ignore[no-untyped-def]
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.call(builder.inttoptr(args[0], _PART_TYPE.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


@njit(f"void({', '.join(['int64'] * 3)})", parallel=True, cache=True)
def _in_parallel(where, arguments, parts):  # type: ignore[no-untyped-def]
    for part in prange(parts):
        _call(where, arguments, part, parts)


@njit
def in_parts(where, arguments, parts):  # type: ignore[no-untyped-def]
    """Run all parts of the kernel at ``where``, each on a thread of its own."""
    if parts == 1:
        _call(where, arguments, 0, 1)
    else:
        _in_parallel(where, arguments, parts)
