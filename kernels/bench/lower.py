"""Lower every Triton kernel to machine code for GPUs that need not be there, and print what it takes.

    python kernels/bench/lower.py [--json] [--only sm90] [--tokens 1]

The ops are called with tensors of an 8B model's shapes that have no data, once for each GPU. What they would launch,
with the configurations that they would choose there, is compiled instead. Registers, stack and shared memory are read
from the machine code by the tool that comes with Triton; a stack means that registers did not suffice.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from sirius_kernels import device
from sirius_kernels.attention.op import attention
from sirius_kernels.device import DeviceInfo
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.norm.op import normalise
from sirius_kernels.peaks.op import peaks
from sirius_kernels.quant.matrix import Bits, QuantMatrix
from sirius_kernels.select.op import select_rows

GPUS = {
    "sm80": (DeviceInfo("A100", (8, 0), 108, 163 << 10, octets=True), GPUTarget("cuda", 80, 32)),
    "sm89": (DeviceInfo("RTX 4090", (8, 9), 128, 99 << 10, octets=True), GPUTarget("cuda", 89, 32)),
    "sm90": (DeviceInfo("H100", (9, 0), 132, 227 << 10, chains=True, octets=True), GPUTarget("cuda", 90, 32)),
    "sm100": (DeviceInfo("B200", (10, 0), 148, 227 << 10, chains=True, octets=True), GPUTarget("cuda", 100, 32)),
    "gfx942": (DeviceInfo("MI300X", (9, 4), 304, 64 << 10), GPUTarget("hip", "gfx942", 64)),
}
TOKENS = (1, 16, 64)
GROUP, HIDDEN, NEURONS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, CAPACITY = 32, 4096, 14336, 32, 8, 128, 128256, 2048
LONGEST = 16  # tokens of a path of a tree
_POINTERS = {
    torch.bfloat16: "*bf16", torch.float32: "*fp32", torch.int8: "*i8", torch.int32: "*i32", torch.int64: "*i64"
}  # fmt: skip
_CODES: dict[Bits, torch.dtype] = {8: torch.int8, 4: torch.int32}


@dataclass(frozen=True)
class Launch:
    """A kernel as an op would launch it."""

    op: str
    tokens: int
    kernel: Any
    grid: tuple[int, ...]
    arguments: dict[str, Any]
    options: dict[str, int]


@dataclass(frozen=True)
class Lowered:
    """What a launch takes: ``registers`` a thread, bytes of ``stack`` a thread and of ``shared`` memory a block.

    For AMD the first two are not known (None).
    """

    gpu: str
    op: str
    tokens: int
    kernel: str
    grid: tuple[int, ...]
    warps: int
    stages: int
    registers: int | None
    stack: int | None
    shared: int
    limit: int


def ops_of_a_layer(tokens: int) -> dict[str, Callable[[], Any]]:
    """Every op of a decoder step, by name, on tensors without data."""

    def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(*shape, dtype=dtype, device="meta")

    x, gate = empty(tokens, HIDDEN), empty(tokens, NEURONS)
    gate_up, down_t = empty(NEURONS, 2, HIDDEN), empty(NEURONS, HIDDEN)
    active = empty(NEURONS // 2, dtype=torch.int32)
    cache, start = empty(1, KV_HEADS, CAPACITY, HEAD_DIM), empty(1, dtype=torch.int64)
    qkv = empty(1, tokens, HEADS + 2 * KV_HEADS, HEAD_DIM)
    turns = empty(1, tokens, 1, HEAD_DIM // 2, dtype=torch.complex64)

    def copy(bits: Bits, *shape: int) -> QuantMatrix:
        codes = empty(*shape[:-1], shape[-1] * bits // (8 if bits == 8 else 32), dtype=_CODES[bits])
        return QuantMatrix(codes, empty(*shape[:-1], shape[-1] // GROUP), bits, GROUP)

    return {
        f"{name}, int{bits}": call
        for bits in _CODES
        for name, call in {
            "linear: head": partial(linear, x, copy(bits, VOCABULARY, HIDDEN), impl="triton"),
            "mlp_hidden": partial(mlp_hidden, x, copy(bits, NEURONS, 2, HIDDEN), activation="silu", impl="triton"),
            "mlp_down": partial(mlp_down, gate, copy(bits, NEURONS, HIDDEN), impl="triton"),
        }.items()
    } | {
        "normalise": lambda: normalise(x, empty(HIDDEN, dtype=torch.float32), eps=1e-5, centred=False, impl="triton"),
        "linear: qkv": lambda: linear(x, empty((HEADS + 2 * KV_HEADS) * HEAD_DIM, HIDDEN), impl="triton"),
        "linear: head": lambda: linear(x, empty(VOCABULARY, HIDDEN), impl="triton"),
        "attention": lambda: attention(qkv, turns, cache, cache, None, start, scale=0.1, impl="triton"),
        "attention, tree": lambda: attention(
            qkv,
            turns,
            cache,
            cache,
            None,
            start,
            scale=0.1,
            tree=empty(tokens, LONGEST, dtype=torch.int32),
            impl="triton",
        ),
        "mlp_hidden": lambda: mlp_hidden(x, gate_up, activation="silu", impl="triton"),
        "mlp_hidden, half": lambda: mlp_hidden(x, gate_up, activation="silu", active=active, impl="triton"),
        "mlp_gate": lambda: mlp_gate(x, gate_up, activation="silu", impl="triton"),
        "mlp_up, half": lambda: mlp_up(x, gate, gate_up, active=active, impl="triton"),
        "mlp_down": lambda: mlp_down(gate, down_t, impl="triton"),
        "mlp_down, half": lambda: mlp_down(gate[:, : NEURONS // 2], down_t, active=active, impl="triton"),
        "select_rows": lambda: select_rows(empty(NEURONS), NEURONS // 2, impl="triton"),
        "peaks": lambda: peaks(empty(tokens, VOCABULARY, dtype=torch.float32), impl="triton"),
    }


def launches(gpu: DeviceInfo, sizes: Sequence[int]) -> Iterator[Launch]:
    """What passes of ``sizes`` tokens would launch on ``gpu``, which stands in for the interpreter's device here."""
    recorded: list[tuple[Any, tuple[Any, ...], Any, dict[str, Any]]] = []

    def record(kernel: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
        recorded.append((kernel, args, grid, kwargs))

    with patch.object(JITFunction, "run", record), patch.object(device, "INTERPRETER", gpu):
        for tokens in sizes:
            for name, call in ops_of_a_layer(tokens).items():
                recorded.clear()
                call()
                for kernel, args, grid, kwargs in recorded:
                    names = [parameter.name for parameter in kernel.params]
                    options = {key: value for key, value in kwargs.items() if key not in names}
                    chosen = {key: value for key, value in kwargs.items() if key in names}
                    yield Launch(name, tokens, kernel, grid, dict(zip(names, args, strict=False)) | chosen, options)


def source_of(launch: Launch) -> ASTSource:
    """The kernel, specialised as Triton would for these arguments: for ones, and for what 16 divides."""
    signature, constants, attributes = {}, {}, {}
    for place, parameter in enumerate(launch.kernel.params):
        value = launch.arguments[parameter.name]
        if parameter.is_constexpr or (isinstance(value, int) and value == 1):
            signature[parameter.name], constants[(place,)] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[parameter.name], attributes[(place,)] = _POINTERS[value.dtype], [["tt.divisibility", 16]]
        elif isinstance(value, int):
            signature[parameter.name] = "i32" if value < 2**31 else "i64"
            if value % 16 == 0:
                attributes[(place,)] = [["tt.divisibility", 16]]
        else:
            signature[parameter.name] = "fp32"
    return ASTSource(launch.kernel, signature, constants, attributes)


def lower(name: str, launch: Launch) -> Lowered:
    """Compile ``launch`` for the GPU called ``name``. Raises triton's errors where that fails."""
    gpu, target = GPUS[name]
    compiled = triton.compile(source_of(launch), target=target, options=dict(launch.options))
    registers, stack = _usage(compiled.asm["cubin"]) if target.backend == "cuda" else (None, None)
    return Lowered(
        gpu=name, op=launch.op, tokens=launch.tokens, kernel=launch.kernel.__name__, grid=launch.grid,
        warps=compiled.metadata.num_warps, stages=compiled.metadata.num_stages, registers=registers, stack=stack,
        shared=compiled.metadata.shared, limit=gpu.shared_memory,
    )  # fmt: skip


def _usage(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack a thread."""
    text = dump(cubin, "cuobjdump", "--dump-resource-usage")
    found = re.search(r"REG:(\d+).*?STACK:(\d+)", text)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers: {text}")
    return int(found[1]), int(found[2])


def dump(cubin: bytes, tool: str, *options: str) -> str:
    """What a tool that comes with Triton tells of machine code."""
    path = Path(triton.__file__).parent / "backends/nvidia/bin" / tool
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run([path, *options, file.name], capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=GPUS, action="append", help="one GPU; may be given again")
    parser.add_argument(
        "--tokens", type=int, action="append", help="of a pass; may be given again. 1, 16 and 64 if not"
    )
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    arguments = parser.parse_args()
    sizes = arguments.tokens or TOKENS
    lowered = [lower(name, launch) for name in arguments.only or GPUS for launch in launches(GPUS[name][0], sizes)]
    lines = [json.dumps(asdict(one)) for one in lowered] if arguments.json else table(lowered)
    sys.stdout.writelines(line + "\n" for line in lines)


def table(lowered: list[Lowered]) -> list[str]:
    """Lines of Markdown: a launch a row, a GPU a column."""
    gpus = list(dict.fromkeys(one.gpu for one in lowered))
    launched: dict[tuple[str, int, str], dict[str, str]] = {}
    for one in lowered:
        launched.setdefault((one.op, one.tokens, f"`{one.kernel}`"), {})[one.gpu] = _cell(one)
    rows = [(*launch, *(cells[gpu] for gpu in gpus)) for launch, cells in launched.items()]
    header = ("op", "tokens", "kernel", *gpus)
    return [f"| {' | '.join(map(str, row))} |" for row in [header, ("---",) * len(header), *rows]]


def _cell(one: Lowered) -> str:
    """Registers a thread, what of them did not fit, and kilobytes of shared memory a block."""
    registers = "" if one.registers is None else f"{one.registers}, "
    spilled = f"{one.stack} B on the stack, " if one.stack else ""
    return f"{registers}{spilled}{one.shared / 1024:.1f} kB"


if __name__ == "__main__":
    main()
