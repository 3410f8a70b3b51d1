"""Measure the start: seconds from the shell to a model's first token, and to the end of the process.

    python docs/results/measure_start.py --runs 7 --model builtin:smollm2

Each run is a new process of `sirius chat "Hi" --jsonl`; the clock stops when the line with the first committed tokens
can be read. The first run only warms the caches of files and compiled kernels, and is not counted.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time


def one_start(model: str) -> tuple[float, float]:
    """Seconds to the first token, and to the end."""
    command = [sys.executable, "-m", "sirius_cli", "chat", "Hi", "-n", "1", "--jsonl", "-m", model]
    began, first = time.perf_counter(), None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if first is None and json.loads(line)["event"] == "committed":
                first = time.perf_counter() - began
    if process.returncode or first is None:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return first, time.perf_counter() - began


def describe(name: str, values: list[float]) -> str:
    return (
        f"{name}: median {statistics.median(values):.2f} s, {min(values):.2f} to {max(values):.2f}, n {len(values)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin:smollm2")
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    one_start(args.model)
    starts = [one_start(args.model) for _ in range(args.runs)]
    sys.stdout.write(describe("first token", [first for first, _ in starts]))
    sys.stdout.write(describe("whole process", [end for _, end in starts]))


if __name__ == "__main__":
    main()
