"""Count the machine instructions that a product of weight rows with one token takes for each weight, without a GPU.

    python kernels/bench/instructions.py [--json] [--only sm90]

A GPU that waits for memory has time for some instructions a weight: a multiprocessor of an H100 begins four for 32
threads in a cycle, and in that cycle gets about 14 bytes. Kernels are those that an 8B model would launch. What lies
outside of the loop over a row is executed once, its first step included; the loop as often as the row has further ones.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import triton

from lower import GPUS, Launch, dump, launches, source_of

_NVIDIA = [name for name, (_, target) in GPUS.items() if target.backend == "cuda"]
_LABEL, _INSTRUCTION = (
    re.compile(r"\s*(\.L_x_\d+):"),
    re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z].*?);"),
)
_BRANCH = re.compile(r"BRA.*`\((\.L_x_\d+)\)")


@dataclass(frozen=True)
class Count:
    """Instructions that a thread executes, over the weights that are its share."""

    gpu: str
    op: str
    instructions: float


def counts(name: str) -> Iterator[Count]:
    """Of every product with one token, on the GPU called ``name``."""
    for launch in launches(GPUS[name][0], [1]):
        if launch.kernel.__name__ == "rows_kernel":
            yield Count(name, launch.op, _executed(name, launch) / _weights(launch))


def _weights(launch: Launch) -> float:
    given = launch.arguments
    return float(given["BLOCK_U"] * given["ROWS"] * given["depth"]) / (32 * launch.options["num_warps"])


def _executed(name: str, launch: Launch) -> int:
    instructions, labels = _machine_code(
        triton.compile(source_of(launch), GPUS[name][1], dict(launch.options)).asm["cubin"]
    )
    inside = 0
    for place, text in enumerate(instructions):
        branch = _BRANCH.match(text)
        if branch and labels.get(branch[1], place) < place:
            inside += place + 1 - labels[branch[1]]
    steps = -(-launch.arguments["depth"] // launch.arguments["BLOCK_K"])
    return len(instructions) - inside + inside * (steps - 1)


def _machine_code(cubin: bytes) -> tuple[list[str], dict[str, int]]:
    """Its instructions, and where labels point among them."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    for line in dump(cubin, "nvdisasm").splitlines():
        if label := _LABEL.match(line):
            labels[label[1]] = len(instructions)
        elif (found := _INSTRUCTION.match(line)) and not found[1].startswith("NOP"):
            instructions.append(found[1])
    return instructions, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=_NVIDIA, action="append", help="one GPU; may be given again")
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    arguments = parser.parse_args()
    found = [count for name in arguments.only or _NVIDIA for count in counts(name)]
    lines = [json.dumps(asdict(one)) for one in found] if arguments.json else _table(found)
    sys.stdout.writelines(line + "\n" for line in lines)


def _table(found: list[Count]) -> list[str]:
    gpus = list(dict.fromkeys(one.gpu for one in found))
    by_op = {one.op: [f"{other.instructions:.2f}" for other in found if other.op == one.op] for one in found}
    rows = [("op", *gpus), ("---",) * (1 + len(gpus)), *((op, *cells) for op, cells in by_op.items())]
    return [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    main()
