"""All that a GPU has to say, in one command: are the kernels right, how fast are they, and what does it add up to.

    python kernels/bench/suite.py --out DIR [--dry-run] [--tune]

No network, no weights; made to take less than nine minutes on an H100. Where a result is wrong it names all that are,
and reports no speed. ``DIR`` gets ``results.json``, ``report.md``, a profile of one window, and with ``--tune`` a file
for ``sirius_kernels/tuned/``. The last line on standard output is JSON. ``--dry-run`` does all of it at toy sizes in
Triton's interpreter, without a GPU; its times mean nothing.
"""

import os
import sys

DRY = "--dry-run" in sys.argv
if DRY:  # before triton is imported, which decides then
    os.environ["TRITON_INTERPRET"] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import asdict, dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from unittest.mock import patch  # noqa: E402

import torch  # noqa: E402
import triton  # noqa: E402

from gpu import ops, tune  # noqa: E402
from gpu.answers import AnswerTime, answers  # noqa: E402
from gpu.clock import Clock  # noqa: E402
from gpu.gaps import gap_share  # noqa: E402
from gpu.steps import Steps, StepTime  # noqa: E402
from gpu.texts import SMALL_MODEL  # noqa: E402
from gpu.verify import verify  # noqa: E402
from sirius_cli.engine import device as engine_device  # noqa: E402
from sirius_cli.engine.backend import Ops  # noqa: E402
from sirius_cli.services.bench.shapes import find_shape  # noqa: E402
from sirius_kernels import tuned  # noqa: E402
from sirius_kernels.device import device_info  # noqa: E402
from sirius_kernels.traffic import LLAMA_8B, QWEN_1_5B, StepShape  # noqa: E402

ADVANCE = 15.2  # tokens that a window of 16 commits: Zhou et al., arXiv 2409.03856, coarse drafts of an 8B model
TOY = StepShape(1, 64, 64, 2, 4, 2, 16, 37, 4)
MODELS = ("qwen2.5-1.5b", "llama-3.1-8b")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def section(name: str, seconds: dict[str, float]) -> Iterator[None]:
    say(f"{name} ...")
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
    say(f"{name}: {seconds[name]:.1f} s")


def bandwidth(clock: Clock) -> dict[str, float]:
    """Bytes per second of reading alone, as decoding does, and of a copy, reads and writes together."""
    size = 1 << (10 if DRY else 30)
    source, target = (torch.ones(size // 4, device=clock.device) for _ in range(2))
    read, copied = clock.together([source.sum, lambda: target.copy_(source)])
    return {"read": size / read.median, "copy": 2 * size / copied.median}


@dataclass
class Found:
    """What whole models say: steps, answers, and the share of a replayed window in which no kernel runs."""

    steps: list[StepTime] = field(default_factory=list)
    answers: list[AnswerTime] = field(default_factory=list)
    gaps: float | None = None


def end_to_end(clock: Clock, rate: float, context: int, trace: Path) -> Found:
    """All models' steps and answers, and the gaps of the last one."""
    found = Found()
    for name in ("toy",) if DRY else MODELS:
        config = SMALL_MODEL if DRY else dict(find_shape(name).config)
        model = Steps(
            name, config, clock.device.type, context, dtype="float32" if DRY else "bfloat16",
            checks=(2,) if DRY else (16, 64), window=2 if DRY else 16,
        )  # fmt: skip
        found.steps += model.timed(clock, rate)
        if clock.real:
            found.gaps = gap_share(_recorded(model), trace)
        found.answers += answers(model, 2 if DRY else 160)
        del model
        if clock.real:
            torch.cuda.empty_cache()
    return found


def _recorded(model: Steps) -> Any:
    from sirius_cli.engine.replay import Replay

    return Replay(model.window("coarse"), [model.length])


def summary(found: list[StepTime]) -> dict[str, dict[str, float]]:
    """By model: every step over the dense one, its share of the floor, and tokens per second of a window's advance."""
    told: dict[str, dict[str, float]] = {}
    for model in dict.fromkeys(one.model for one in found):
        own = {one.step: one for one in found if one.model == model}
        dense = own["dense step"].times.median
        figures = told[model] = {"dense tok/s": 1 / dense}
        for name, one in own.items():
            figures[f"{name} / dense"] = one.times.median / dense / (ADVANCE if name.startswith("window") else 1.0)
            figures[f"{name}, share of floor"] = one.floor / one.times.median
    return told


def report(results: dict[str, Any]) -> str:
    """All of it in Markdown."""
    read, copied = (results["bandwidth"][kind] for kind in ("read", "copy"))
    gaps = "not measured" if results["gaps"] is None else f"{results['gaps']:.1%} of a window"
    lines = [
        f"# GPU suite: {results['device']}",
        "",
        f"{results['date']}, torch {results['torch']}, triton {results['triton']}; {results['cases']} cases right;",
        f"memory gives {read / 1e12:.3f} TB/s when read, {copied / 1e12:.3f} when copied;",
        f"no kernel runs: {gaps}. Milliseconds: median",
        f"(10th to 90th percentile). Over dense, a window counts as the {results['advance']} tokens that it commits.",
        "",
        "| model | step | ms | / dense | share of floor |",
        "|---|---|---|---|---|",
        *(_step_line(one, results["summary"][one["model"]]) for one in results["steps"]),
        "",
        "Whole answers by the clock on the wall, milliseconds:",
        "",
        "| model | window | ms |",
        "|---|---|---|",
        *(f"| {one['model']} | {one['way']} | {_milliseconds(one['times'])} |" for one in results["answers"]),
        "",
        "| op | tokens | density | us | torch, us | GB/s |",
        "|---|---|---|---|---|---|",
        *map(_op_line, results["ops"]),
    ]
    return "\n".join(lines) + "\n"


def _step_line(one: dict[str, Any], figures: dict[str, float]) -> str:
    ratio, share = figures[f"{one['step']} / dense"], figures[f"{one['step']}, share of floor"]
    return f"| {one['model']} | {one['step']} | {_milliseconds(one['times'])} | {ratio:.3f} | {share:.2f} |"


def _milliseconds(times: dict[str, float]) -> str:
    median, p10, p90 = (1000 * times[key] for key in ("median", "p10", "p90"))
    return f"{median:.3f} ({p10:.3f} to {p90:.3f})"


def _op_line(one: dict[str, Any]) -> str:
    ours, theirs = one["ours"]["median"], one["rival"]["median"]
    rate = one["bytes"] / ours / 1e9
    return (
        f"| {one['op']} | {one['tokens']} | {one['density']:g} | {1e6 * ours:.1f} | {1e6 * theirs:.1f} | {rate:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for what comes of it")
    parser.add_argument("--dry-run", action="store_true", help="toy sizes in the interpreter; times mean nothing")
    parser.add_argument("--tune", action="store_true", help="look for launch configurations first, and use them")
    parser.add_argument("--context", type=int, default=10 if DRY else 1024, help="tokens in the cache")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    run(arguments)


def run(arguments: argparse.Namespace) -> None:
    device = torch.device("cpu" if DRY else "cuda")
    clock, seconds, shape = Clock(device), dict[str, float](), TOY if DRY else LLAMA_8B
    name = device_info(device).name
    results: dict[str, Any] = {
        "device": name, "dry_run": DRY, "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__,
        "triton": triton.__version__, "advance": ADVANCE, "context": arguments.context,
    }  # fmt: skip
    torch.manual_seed(0)
    with section("correctness", seconds):
        verdict = verify(device, small=DRY)
    results["cases"] = verdict.right
    if verdict.wrong:
        raise SystemExit("\n".join([*verdict.wrong, f"{len(verdict.wrong)} cases are wrong, {verdict.right} right"]))
    if arguments.tune:
        with section("tuning", seconds):
            shapes, tokens = ((TOY,), (1,)) if DRY else ((LLAMA_8B, QWEN_1_5B), (1, 16, 64))
            configurations = tune.tune(Clock(device, 3, 0.001), shapes, tokens, most=1 if DRY else 40)
        (arguments.out / tuned.file_name(name)).write_text(
            json.dumps({"device": name, **configurations}, indent=1) + "\n"
        )
        tuned.use(arguments.out)
    with section("bandwidth", seconds):
        results["bandwidth"] = bandwidth(clock)
    with section("ops", seconds):
        tokens = (1, 3) if DRY else (1, 16, 64)
        results["ops"] = [asdict(one) for one in ops.timed(clock, shape, arguments.context, tokens)]
    with section("steps", seconds), patch.object(engine_device, "choose_ops", _ops):
        found = end_to_end(clock, results["bandwidth"]["read"], arguments.context, arguments.out / "window-trace.json")
    results |= {name: [asdict(one) for one in getattr(found, name)] for name in ("steps", "answers")}
    results |= {"gaps": found.gaps, "summary": summary(found.steps), "seconds": seconds}
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "report.md").write_text(report(results))
    told = ("device", "dry_run", "cases", "gaps", "summary", "seconds")
    sys.stdout.write(json.dumps({key: results[key] for key in told}) + "\n")


def _ops(device: str, dtype: torch.dtype) -> Ops:
    """The kernels, whatever a user would get: a suite that timed something else would be worth nothing."""
    return Ops("triton", "the suite")


if __name__ == "__main__":
    main()
