"""Time the CPU kernels at the shapes of a model, side by side: every op at several numbers of tokens.

    python kernels/bench/cpu.py --hidden 1536 --neurons 8960 --tokens 1 2 4 8 16 32

One op is one line. Its numbers of tokens take turns within each repetition, so that a machine that drifts slows all of
them alike. Printed are the rate at which one token's product reads weights, beside the rate of a plain read of memory,
and for more tokens the time over one token's: median, 10th to 90th percentile. `--blas` adds the time over that of
torch's BLAS on as many threads. `--bits 4 --group 32` takes quantised weights, `--bits 16` bf16 ones; `--widened` adds
the time over that of fp32 weights, in turn.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch

import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
from sirius_kernels import cpu_blas, cpu_jit
from sirius_kernels.linear.op import linear
from sirius_kernels.mlp.op import mlp_down, mlp_gate, mlp_hidden, mlp_up
from sirius_kernels.quant.matrix import GROUPS, Weight, packed

NATIVE, HALF = 32, 16
CACHE = Path(tempfile.gettempdir()) / "sirius-kernels"
Op = Callable[[torch.Tensor, int], object]


def random_weights(args: argparse.Namespace, *shape: int) -> list[Weight]:
    """As many as defeat the caches."""
    if args.bits == NATIVE:
        return [torch.randn(*shape) for _ in range(args.copies)]
    if args.bits == HALF:
        return [torch.randn(*shape).to(getattr(torch, args.half)) for _ in range(args.copies)]
    bound, scale_shape = 1 << (args.bits - 1), (*shape[:-1], shape[-1] // args.group)
    codes = torch.randint(1 - bound, bound, shape, dtype=torch.int8)
    return [packed(codes, torch.rand(scale_shape).bfloat16(), args.bits, args.group) for _ in range(args.copies)]


def ops(args: argparse.Namespace) -> dict[str, tuple[int, int, Op]]:
    """Name -> (width of the input, bytes of weights read, call)."""
    hidden, neurons = args.hidden, args.neurons
    gate_up = random_weights(args, neurons, 2, hidden)
    down, square = random_weights(args, neurons, hidden), random_weights(args, hidden, hidden)
    count = int(args.keep * neurons)
    some = torch.randperm(neurons)[:count].sort().values.to(torch.int32)
    row = square[0].nbytes // hidden
    gate = torch.randn(512, neurons)

    def up_some(x: torch.Tensor, i: int) -> object:
        return mlp_up(x, gate[: x.shape[0]], gate_up[i], active=some, impl="numba")

    return {
        "linear": (hidden, hidden * row, lambda x, i: linear(x, square[i], impl="numba")),
        "mlp_hidden": (
            hidden, 2 * neurons * row, lambda x, i: mlp_hidden(x, gate_up[i], activation="silu", impl="numba")
        ),
        "mlp_down": (neurons, neurons * row, lambda x, i: mlp_down(x, down[i], impl="numba")),
        "mlp_gate": (hidden, neurons * row, lambda x, i: mlp_gate(x, gate_up[i], activation="silu", impl="numba")),
        "mlp_hidden, some": (
            hidden, 2 * count * row,
            lambda x, i: mlp_hidden(x, gate_up[i], activation="silu", active=some, impl="numba"),
        ),
        "mlp_up, some": (hidden, count * row, up_some),
        "mlp_down, some": (count, count * row, lambda x, i: mlp_down(x, down[i], active=some, impl="numba")),
    }  # fmt: skip


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def once(call: Op, x: torch.Tensor, copies: int) -> None:
    for i in range(copies):
        call(x, i)


def spread(values: list[float]) -> list[float]:
    """Median, 10th and 90th percentile."""
    ordered = sorted(values)
    return [statistics.median(ordered), ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]]


def measure(args: argparse.Namespace) -> list[dict[str, object]]:
    plain = torch.randn(64 << 20)  # 256 MB
    rows = []
    chosen = ops(args)
    for name in args.ops or chosen:
        width, weight_bytes, call = chosen[name]
        inputs = {tokens: torch.randn(tokens, width) for tokens in args.tokens}
        for x in inputs.values():
            once(call, x, args.copies)
        wide = ops(argparse.Namespace(**(vars(args) | {"bits": NATIVE})))[name][2] if args.widened else None
        widened = {} if wide is None else {tokens: over(call, wide, x, args) for tokens, x in inputs.items()}
        blas = {tokens: over_blas(call, x, args) for tokens, x in inputs.items() if tokens > 1} if args.blas else {}
        times: dict[int, list[float]] = {tokens: [] for tokens in args.tokens}
        reads = []
        for _ in range(args.repetitions):
            reads.append(plain.numel() * 4 / seconds(plain.sum) / 1e9)
            for tokens, x in inputs.items():
                times[tokens].append(seconds(partial(once, call, x, args.copies)))
        first = times[args.tokens[0]]
        row: dict[str, object] = {
            "op": name,
            "read_gb_s": spread(reads),
            "gb_s": spread([weight_bytes * args.copies / t / 1e9 for t in first]),
            "ratio": {n: spread([b / a for a, b in zip(first, t, strict=True)]) for n, t in times.items()},
            "over_blas": blas,
            "over_fp32": widened,
        }
        rows.append(row)
        sys.stderr.write(_line(row, args.tokens) + "\n")
    return rows


def over(call: Op, other: Op, x: torch.Tensor, args: argparse.Namespace) -> list[float]:
    """The time of one op over that of another, in turn."""
    sides = [partial(once, one, x, args.copies) for one in (call, other)]
    sides[1]()
    return spread([seconds(sides[0]) / seconds(sides[1]) for _ in range(args.repetitions)])


def over_blas(call: Op, x: torch.Tensor, args: argparse.Namespace) -> list[float]:
    """Our time over that of torch's BLAS, in turn."""
    ratios = []
    for _ in range(args.repetitions):
        with patch.object(cpu_blas, "PAYS", False):
            ours = seconds(partial(once, call, x, args.copies))
        with patch.multiple(cpu_blas, PAYS=True, MANY_TOKENS=2):
            ratios.append(ours / seconds(partial(once, call, x, args.copies)))
    return spread(ratios)


def _line(row: dict[str, object], tokens: list[int]) -> str:
    rate, read, ratio = row["gb_s"], row["read_gb_s"], row["ratio"]
    cells = "  ".join(f"{n}: {ratio[n][0]:.2f} ({ratio[n][1]:.2f}-{ratio[n][2]:.2f})" for n in tokens[1:])  # type: ignore[index]
    told = f"{row['op']:18} {rate[0]:5.1f} GB/s of {read[0]:5.1f}   {cells}"  # type: ignore[index]
    for name in ("BLAS", "fp32"):
        found = row[f"over_{name.lower()}"]
        beside = "  ".join(f"{n}: {times[0]:.2f}" for n, times in found.items())  # type: ignore[attr-defined]
        told += f"   over {name}  {beside}" if beside else ""
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", nargs="+", help="of those that a run without this names; default: all")
    parser.add_argument("--hidden", type=int, default=1536)
    parser.add_argument("--neurons", type=int, default=8960)
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--copies", type=int, default=4, help="layers; together they should exceed the caches")
    parser.add_argument(
        "--bits", type=int, default=NATIVE, choices=(NATIVE, HALF, 8, 4), help="of a weight; default 32: fp32"
    )
    parser.add_argument("--half", choices=("bfloat16", "float16"), default="bfloat16", help="what 16 bits are")
    parser.add_argument("--group", type=int, default=GROUPS[0], choices=GROUPS, help="weights of 8 or 4 bits a scale")
    parser.add_argument("--widened", action="store_true", help="compare with the same product of fp32 weights")
    parser.add_argument("--blas", action="store_true", help="compare with torch's BLAS")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "sirius-kernels", help="compiled code"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    cpu_jit.load(args.cache, args.threads)
    torch.set_num_threads(args.threads)
    sys.stderr.write(
        f"{platform.processor() or platform.machine()}, {args.threads} threads, torch {torch.__version__}\n"
    )
    json.dump({"hidden": args.hidden, "neurons": args.neurons, "ops": measure(args)}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
