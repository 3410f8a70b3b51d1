"""What kernels written as LLVM vectors share: loads, stores, broadcasts, fused multiply-adds and prefetches.

Numba's vectoriser does not find register tiles, and gives up on loops that fetch ahead or read several rows at once;
there a kernel's inner loop is written down as instructions. Vectors have eight fp32 lanes.
"""

import ctypes
import functools
import platform
import sys
from collections.abc import Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils

LANES = 8
FEATURES = llvmlite.binding.get_host_cpu_features()
MANY_REGISTERS = bool(FEATURES.get("avx512f"))
"""Whether there are 32 registers of sixteen numbers, not 16 of eight."""
MULTIPLIES_BYTES = bool(MANY_REGISTERS and FEATURES.get("avx512vl") and FEATURES.get("avx512vnni"))
"""Whether one instruction multiplies bytes and adds up four products in each lane."""
WIDENS_FP16 = platform.machine() not in ("x86_64", "AMD64") or bool(FEATURES.get("f16c"))
"""Whether there are instructions that make fp32 of fp16; of bfloat16, a shift does."""
_ARCH_PRCTL, _PERMISSION, _TILE_DATA = 158, 0x1023, 18  # Linux on x86-64: arch_prctl(ARCH_REQ_XCOMP_PERM, …)
KINDS = ("float32", "bfloat16", "float16")
"""What weights that are no codes are stored as. Compiled code names them by number: what is kept of it must not depend
on objects that are made anew in every process."""
FP32 = KINDS.index("float32")
FLOAT, I64, I32, I16, I8 = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(16), ir.IntType(8)
_BYTES = I8.as_pointer()


@functools.cache
def multiplies_tiles() -> bool:
    """Whether there are matrix units for bfloat16 (AMX), and the system lets this process use them."""
    if not (FEATURES.get("amx-tile") and FEATURES.get("amx-bf16") and sys.platform == "linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _PERMISSION, _TILE_DATA) == 0)
    except (OSError, AttributeError):
        return False


class Emitter:
    """Writes instructions on vectors of ``lanes`` numbers at a builder's place.

    Pointers and offsets are LLVM values, offsets in elements. Vectors wider than the processor's become several.
    """

    def __init__(self, builder: Any, lanes: int = LANES) -> None:
        self.builder, self.lanes = builder, lanes
        self._vector, self._words = ir.VectorType(FLOAT, lanes), ir.VectorType(I32, lanes)
        ternary = ir.FunctionType(self._vector, [self._vector] * 3)
        self._fma = self._declare(ternary, f"llvm.fmuladd.v{lanes}f32")
        reduction = ir.FunctionType(FLOAT, [FLOAT, self._vector])
        self._sum = self._declare(reduction, f"llvm.vector.reduce.fadd.v{lanes}f32")
        hint = ir.FunctionType(ir.VoidType(), [_BYTES, I32, I32, I32])
        self._fetch = self._declare(hint, "llvm.prefetch.p0")

    def number(self, value: int) -> Any:
        return ir.Constant(I64, value)

    def zeros(self) -> Any:
        return ir.Constant(self._vector, [0.0] * self.lanes)

    def slot(self) -> Any:
        """A vector on the stack, which the optimiser keeps in a register."""
        return cgutils.alloca_once(self.builder, self._vector)

    def move(self, pointer: Any, *offsets: Any) -> Any:
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def load(self, pointer: Any, vector: int = 0) -> Any:
        """Vector number ``vector`` from ``pointer`` on."""
        return self.builder.load(self._as_vector(pointer, vector), align=4)

    def load_weights(self, kind: str, pointer: Any, vector: int = 0) -> Any:
        """As :meth:`load`, of numbers stored as ``kind``, one of :data:`KINDS`: 16 bits from an ``int16`` pointer."""
        if kind == "float32":
            return self.load(pointer, vector)
        return self._widened(kind, self.move(pointer, self.number(vector * self.lanes)), self.lanes)

    def load_weight(self, kind: str, pointer: Any) -> Any:
        """One number."""
        if kind == "float32":
            return self.builder.load(pointer)
        return self.builder.extract_element(self._widened(kind, pointer, 1), ir.Constant(I32, 0))

    def store(self, value: Any, pointer: Any, vector: int = 0) -> None:
        self.builder.store(value, self._as_vector(pointer, vector), align=4)

    def constant(self, value: float) -> Any:
        """An fp32 number in every lane."""
        return ir.Constant(self._vector, [value] * self.lanes)

    def broadcast(self, scalar: Any) -> Any:
        nothing = ir.Constant(self._vector, ir.Undefined)
        return self.lanes_of(self.builder.insert_element(nothing, scalar, ir.Constant(I32, 0)), [0] * self.lanes)

    def load_words(self, pointer: Any) -> Any:
        """32-bit integers from ``pointer`` on."""
        return self.builder.load(self.builder.bitcast(pointer, self._words.as_pointer()), align=4)

    def store_words(self, words: Any, pointer: Any) -> None:
        self.builder.store(words, self.builder.bitcast(pointer, words.type.as_pointer()), align=4)

    def store_bytes(self, words: Any, pointer: Any) -> None:
        """The lowest byte of every word, of as many as there are."""
        octets = ir.VectorType(I8, words.type.count)
        self.builder.store(
            self.builder.trunc(words, octets), self.builder.bitcast(pointer, octets.as_pointer()), align=1
        )

    def load_bytes(self, pointer: Any) -> Any:
        """Signed bytes from ``pointer`` on, as fp32."""
        octet = ir.VectorType(I8, self.lanes)
        values = self.builder.load(self.builder.bitcast(pointer, octet.as_pointer()), align=1)
        return self.builder.sitofp(self.builder.sext(values, self._words), self._vector)

    def bfloat16s(self, pointer: Any, count: int) -> Any:
        """``count`` bfloat16 from ``pointer`` on as fp32, each in its share of the lanes."""
        values = self._widened("bfloat16", pointer, count)
        return self.lanes_of(values, [lane * count // self.lanes for lane in range(self.lanes)])

    def look_up(self, table: Sequence[float], words: Any) -> Any:
        """Entry ``word % 16`` of sixteen numbers, for every word; for processors with :data:`MANY_REGISTERS`."""
        wide, indices = ir.VectorType(FLOAT, 16), ir.VectorType(I32, 16)
        permute = self._declare(ir.FunctionType(wide, [wide, indices]), "llvm.x86.avx512.permvar.sf.512")
        widened = self.lanes_of(words, [lane % self.lanes for lane in range(16)])
        found = self.builder.call(permute, [ir.Constant(wide, [*table]), widened])
        return self.lanes_of(found, [*range(self.lanes)])

    def shift_left(self, words: Any, bits: int) -> Any:
        return self.builder.shl(words, self._all(bits))

    def shift_right(self, words: Any, bits: int) -> Any:
        """Zeros come in."""
        return self.builder.lshr(words, self._all(bits))

    def both(self, words: Any, mask: int) -> Any:
        return self.builder.and_(words, self._all(mask))

    def either(self, words: Any, mask: int) -> Any:
        return self.builder.or_(words, self._all(mask))

    def differing(self, words: Any, mask: int) -> Any:
        return self.builder.xor(words, self._all(mask))

    def multiply_bytes(self, sums: Any, unsigned: Any, signed: Any) -> Any:
        """``sums`` + four products of bytes in each word; for processors with :data:`MULTIPLIES_BYTES`."""
        kind = ir.FunctionType(self._words, [self._words] * 3)
        name = f"llvm.x86.avx512.vpdpbusd.{32 * self.lanes}"
        return self.builder.call(self._declare(kind, name), [sums, unsigned, signed])

    def to_floats(self, words: Any) -> Any:
        """Signed integers as fp32 numbers."""
        return self.builder.sitofp(words, self._vector)

    def as_floats(self, words: Any) -> Any:
        """The same bits as fp32 numbers."""
        return self.builder.bitcast(words, self._vector)

    def total(self, vectors: Sequence[Any]) -> Any:
        """Their sum, lane by lane."""
        return functools.reduce(self.builder.fadd, vectors)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``."""
        return self.builder.call(self._fma, [a, b, c])

    def sum(self, vector: Any) -> Any:
        """All lanes added up, in an order that the compiler chooses."""
        return self.builder.call(self._sum, [ir.Constant(FLOAT, 0.0), vector], fastmath=("reassoc",))

    def prefetch(self, pointer: Any) -> None:
        """Fetch a cache line into the second level: what is ahead by kilobytes would be gone from the first again."""
        read, second_level, data = ir.Constant(I32, 0), ir.Constant(I32, 2), ir.Constant(I32, 1)
        self.builder.call(self._fetch, [self.builder.bitcast(pointer, _BYTES), read, second_level, data])

    def loop(self, start: Any, stop: Any, step: int) -> Any:
        """``with emitter.loop(start, stop, step) as index``, not inclusive."""
        return _Loop(self.builder, start, stop, self.number(step))

    def whole(self, count: Any, step: int) -> Any:
        """The greatest multiple of ``step`` that ``count`` holds."""
        return self.builder.sub(count, self.builder.urem(count, self.number(step)))

    def _widened(self, kind: str, pointer: Any, count: int) -> Any:
        """``count`` numbers of 16 bits from ``pointer`` on as fp32."""
        stored, wide = ir.VectorType(I16 if kind == "bfloat16" else ir.HalfType(), count), ir.VectorType(FLOAT, count)
        values = self.builder.load(self.builder.bitcast(pointer, stored.as_pointer()), align=2)
        if kind == "float16":
            return self.builder.fpext(values, wide)
        words = ir.VectorType(I32, count)
        return self.builder.bitcast(self.builder.shl(self.builder.zext(values, words), _every(words, 16)), wide)

    def _all(self, value: int) -> Any:
        return _every(self._words, value)

    def largest(self, vector: Any) -> Any:
        """The largest of all lanes' magnitudes; no lane may be undefined."""
        magnitudes = self.builder.call(
            self._declare(ir.FunctionType(self._vector, [self._vector]), f"llvm.fabs.v{self.lanes}f32"), [vector]
        )
        reduction = ir.FunctionType(FLOAT, [self._vector])
        reduce = self._declare(reduction, f"llvm.vector.reduce.fmax.v{self.lanes}f32")
        return self.builder.call(reduce, [magnitudes], fastmath=("nnan",))

    def nearest(self, vector: Any) -> Any:
        """Whole numbers; ties go away from zero."""
        kind = ir.FunctionType(self._vector, [self._vector] * 2)
        halves = self.builder.call(self._declare(kind, f"llvm.copysign.v{self.lanes}f32"), [self.constant(0.5), vector])
        return self.builder.fptosi(self.builder.fadd(vector, halves), self._words)

    def lanes_of(self, vector: Any, lanes: Sequence[int]) -> Any:
        """Those lanes of a vector of any kind, in that order."""
        nothing = ir.Constant(vector.type, ir.Undefined)
        return self.builder.shuffle_vector(vector, nothing, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))

    def _as_vector(self, pointer: Any, vector: int) -> Any:
        return self.builder.bitcast(self.move(pointer, self.number(vector * self.lanes)), self._vector.as_pointer())

    def _declare(self, kind: Any, name: str) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, kind, name)


def _every(kind: Any, value: int) -> Any:
    """A vector of integers that are all ``value``."""
    return ir.Constant(kind, [value] * kind.count)


class _Loop:
    def __init__(self, builder: Any, start: Any, stop: Any, step: Any) -> None:
        self.range = cgutils.for_range_slice(builder, start, stop, step)

    def __enter__(self) -> Any:
        return self.range.__enter__()[0]

    def __exit__(self, *error: Any) -> None:
        self.range.__exit__(*error)
