"""What the dashboard costs: decode tokens per second under it, over those of `sirius chat --jsonl > /dev/null`.

    python docs/results/measure_dashboard.py --rounds 5

Both answer the same prompt with the same tokens, in turns. The dashboard runs on a pseudo-terminal of 120x40 whose
output is read and thrown away; rates come from the events that each run recorded. Needs pexpect (extra `dev`).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pexpect

from sirius_cli.core.events import Finished
from sirius_cli.core.metrics import fold
from sirius_cli.core.trace import read_trace

PROMPT = "Write a long letter to a friend about the history of the lighthouse in your town."
_PATIENCE = 300.0
_FINISHED = f'"{Finished.kind}"'.encode()


def rate(trace: Path) -> float:
    speed = fold(read_trace(trace).events).decode_tokens_per_second
    if speed is None:
        raise SystemExit(f"{trace} holds no answer")
    return speed


def plain(options: list[str], trace: Path) -> float:
    command = [sys.executable, "-m", "sirius_cli", "chat", PROMPT, "--jsonl", "--trace", str(trace), *options]
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(command, stdout=nowhere, stderr=nowhere, check=True)
    return rate(trace)


def dashboard(options: list[str], trace: Path) -> float:
    arguments = ["-m", "sirius_cli", "chat", "--trace", str(trace), *options]
    child = pexpect.spawn(sys.executable, arguments, dimensions=(40, 120), env={**os.environ, "TERM": "xterm-256color"})
    try:
        child.expect("ready", timeout=_PATIENCE)
        child.send(PROMPT + "\r")
        while not _finished(trace):
            _draw(child, seconds=1.0)
    finally:
        child.close(force=True)
    return rate(trace)


def _finished(trace: Path) -> bool:
    """Looks at the end alone: reading all of a trace takes time from what is measured."""
    return trace.exists() and _FINISHED in trace.read_bytes()[-500:]


def _draw(child: "pexpect.spawn[bytes]", seconds: float) -> None:
    """Take what the child draws, as a terminal would."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(pexpect.TIMEOUT):
            child.read_nonblocking(1 << 16, timeout=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--profile", default="sirius")
    args = parser.parse_args()
    options = ["-n", str(args.tokens), "--profile", args.profile]
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            without = plain(options, Path(folder) / f"plain-{number}.jsonl")
            under = dashboard(options, Path(folder) / f"dashboard-{number}.jsonl")
            ratios.append(under / without)
            sys.stderr.write(f"plain {without:.1f}, dashboard {under:.1f} tok/s\n")
    low, high = min(ratios), max(ratios)
    sys.stdout.write(f"dashboard / plain: {statistics.median(ratios):.2f}, {low:.2f} to {high:.2f}, n {len(ratios)}\n")


if __name__ == "__main__":
    main()
