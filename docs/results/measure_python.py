"""How much of a step is not spent in compiled kernels: Python, torch's own small operations, hand-overs.

    python docs/results/measure_python.py --model FOLDER --profiles dense exact turbo

For each profile dense steps or draft steps behind a text are timed, and within them every call of compiled code. One
line of JSON a profile: milliseconds of a step, those in compiled code, and the share of the rest: medians, and for the
share the 10th and 90th percentile.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

COMPILED = {
    "linear.cpu": ("rows_product",),
    "mlp.cpu": ("rows_product", "down_product"),
    "attention.cpu": ("write_and_attend",),
    "norm.cpu": ("normalise_rows",),
    "block.cpu": ("_attention_half", "_mlp_half"),
}


class Stopwatch:
    """Adds up the seconds of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            start = time.perf_counter()
            result = call(*args)
            self.seconds += time.perf_counter() - start
            return result

        return timed


def measure(step: Callable[[], float], repetitions: int) -> dict[str, Any]:
    """``step`` gives its seconds."""
    from importlib import import_module

    watch, whole, inside = Stopwatch(), [], []
    with ExitStack() as patches:
        for module_name, names in COMPILED.items():
            module = import_module(f"sirius_kernels.{module_name}")
            for name in names:
                patches.enter_context(patch.object(module, name, watch.around(getattr(module, name))))
        for _ in range(repetitions):
            watch.seconds = 0.0
            whole.append(step())
            inside.append(watch.seconds)
    shares = sorted(1 - part / total for part, total in zip(inside, whole, strict=True))
    tenth = len(shares) // 10
    return {
        "step_ms": 1000 * statistics.median(whole),
        "compiled_ms": 1000 * statistics.median(inside),
        "rest": statistics.median(shares),
        "rest_spread": [shares[tenth], shares[-1 - tenth]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the safetensors")
    parser.add_argument("--profiles", nargs="+", default=["dense", "exact", "turbo"])
    parser.add_argument("--depth", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=50)
    args = parser.parse_args()
    import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.engine.engine import Engine

    dense = resolve_profile("dense", {}, {}).profile
    engine = Engine.load(args.model, name=args.model.name, profile=dense)
    probe = engine.probe(args.depth, 1)
    for name in args.profiles:
        draft = resolve_profile(name, {}, {}).profile.draft
        if draft.native_dense:
            step = probe.dense_step
        else:
            policy = probe.drafts(draft)

            def step(draft: Any = draft, policy: Any = policy) -> float:
                return probe.draft_step(draft, policy)

        step()
        json.dump({"profile": name, **measure(step, args.repetitions)}, sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
