"""What kernels written as LLVM vectors share: loads, stores, broadcasts, fused multiply-adds and prefetches.

Numba's vectoriser does not find register tiles, and gives up on loops that fetch ahead or read several rows at once;
there a kernel's inner loop is written down as instructions. Vectors have eight fp32 lanes.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 8
_FLOAT, _I64, _I32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_BYTES = ir.IntType(8).as_pointer()
_LINE = 16  # fp32 numbers in a cache line


class Emitter:
    """Writes vector instructions at a builder's place. Pointers and offsets are LLVM values, offsets in elements."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._fma = self._declare(ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32")
        self._sum = self._declare(ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR]), f"llvm.vector.reduce.fadd.v{LANES}f32")
        hint = ir.FunctionType(ir.VoidType(), [_BYTES, _I32, _I32, _I32])
        self._fetch = self._declare(hint, "llvm.prefetch.p0")

    def number(self, value: int) -> Any:
        return ir.Constant(_I64, value)

    def zeros(self) -> Any:
        return ir.Constant(_VECTOR, [0.0] * LANES)

    def scalar_slot(self) -> Any:
        return cgutils.alloca_once(self.builder, _FLOAT)

    def slot(self) -> Any:
        """A vector on the stack, which the optimiser keeps in a register."""
        return cgutils.alloca_once(self.builder, _VECTOR)

    def move(self, pointer: Any, *offsets: Any) -> Any:
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def load(self, pointer: Any, vector: int = 0) -> Any:
        """Vector number ``vector`` from ``pointer`` on."""
        return self.builder.load(self._as_vector(pointer, vector), align=4)

    def store(self, value: Any, pointer: Any, vector: int = 0) -> None:
        self.builder.store(value, self._as_vector(pointer, vector), align=4)

    def broadcast(self, scalar: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, scalar, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``."""
        return self.builder.call(self._fma, [a, b, c])

    def sum(self, vector: Any) -> Any:
        """All lanes added up, in an order that the compiler chooses."""
        return self.builder.call(self._sum, [ir.Constant(_FLOAT, 0.0), vector], fastmath=("reassoc",))

    def prefetch(self, pointer: Any, lines: int = 1) -> None:
        """Fetch cache lines into the second level: what is ahead by kilobytes would be gone from the first again."""
        read, second_level, data = ir.Constant(_I32, 0), ir.Constant(_I32, 2), ir.Constant(_I32, 1)
        for line in range(lines):
            ahead = self.builder.bitcast(self.move(pointer, self.number(line * _LINE)), _BYTES)
            self.builder.call(self._fetch, [ahead, read, second_level, data])

    def loop(self, start: Any, stop: Any, step: int) -> Any:
        """``with emitter.loop(start, stop, step) as index``, not inclusive."""
        return _Loop(self.builder, start, stop, self.number(step))

    def whole(self, count: Any, step: int) -> Any:
        """The greatest multiple of ``step`` that ``count`` holds."""
        return self.builder.sub(count, self.builder.urem(count, self.number(step)))

    def _as_vector(self, pointer: Any, vector: int) -> Any:
        return self.builder.bitcast(self.move(pointer, self.number(vector * LANES)), _VECTOR.as_pointer())

    def _declare(self, kind: Any, name: str) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, kind, name)


class _Loop:
    def __init__(self, builder: Any, start: Any, stop: Any, step: Any) -> None:
        self.range = cgutils.for_range_slice(builder, start, stop, step)

    def __enter__(self) -> Any:
        return self.range.__enter__()[0]

    def __exit__(self, *error: Any) -> None:
        self.range.__exit__(*error)
