"""Measure the engine on a CPU, side by side: `transformers.generate`, dense, exact and corrected decoding.

    python docs/results/measure_engine.py --model FOLDER --data QUESTIONS.jsonl --shots SHOTS.jsonl --out RUN.jsonl

Every prompt is answered by every method in turn before the next prompt comes, so that a drifting machine slows all of
them alike; figures are compared prompt by prompt. One line of JSON per prompt is written at once; the same command
goes on where it was stopped. `--summary RUN.jsonl` prints the figures of a run.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METHODS = ("exact", "sirius")  # beside dense, which every other is compared with


def questions(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def load_engines(folder: Path, methods: list[str], threads: int | None) -> dict[str, Any]:
    """One engine per method over one copy of the weights, so that each keeps its own KV of the shared shots."""
    from sirius_cli.engine.engine import Engine
    from sirius_cli.services.draft_copies import StoredCopies
    from sirius_cli.services.progress import silent

    copies = StoredCopies(folder, silent)
    dense = Engine.load(folder, name=folder.name, profile=_profile("dense"), threads=threads, copies=copies)
    return {"dense": dense, **{method: dense.twin(_profile(method)) for method in methods}}


def _profile(method: str) -> Any:
    """``NAME[,KEY=VALUE…]``, keys as in a profile's file, "correction.window"."""
    import yaml

    from sirius_cli.config.resolve import resolve_profile

    name, *settings = method.split(",")
    pairs = (setting.split("=", 1) for setting in settings)
    return resolve_profile(name, {key: (yaml.safe_load(value), method) for key, value in pairs}, {}).profile


def messages(shots: list[dict[str, str]], question: str) -> list[dict[str, str]]:
    turns = []
    for shot in shots:
        turns += [{"role": "user", "content": shot["question"]}, {"role": "assistant", "content": shot["answer"]}]
    return [*turns, {"role": "user", "content": question}]


def prime(engines: dict[str, Any], shots: list[dict[str, str]]) -> None:
    """Put the shots into every engine's KV cache, up to where the questions begin to differ."""
    from sirius_cli.core.request import GenerationRequest

    tokens = engines["dense"].tokens
    first, second = tokens.chat(messages(shots, "1")), tokens.chat(messages(shots, "A"))
    shared = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    for engine in engines.values():
        list(engine.generate(GenerationRequest(tuple(first[:shared]), max_new_tokens=1)))


def answer(engine: Any, prompt: list[int], limit: int) -> dict[str, Any]:
    from sirius_cli.core.events import Committed
    from sirius_cli.core.metrics import fold
    from sirius_cli.core.request import GenerationRequest

    events = list(engine.generate(GenerationRequest(tuple(prompt), max_new_tokens=limit)))
    ids = [token.token_id for event in events if isinstance(event, Committed) for token in event.tokens]
    metrics = fold(events)
    return {
        "ids": ids,
        "tokens_per_second": metrics.decode_tokens_per_second,
        "advances": metrics.advances,
        "passes": passes(events),
        "effective_density": metrics.effective_density,
        "effective_read": metrics.effective_read,
        "corrected_fraction": metrics.corrected_fraction,
        "draft_step_ms": metrics.draft_step_ms,
        "check_ms": metrics.check_ms,
        "reused": events[0].reused_tokens,
    }


def passes(events: list[Any]) -> dict[str, tuple[int, float]]:
    """Number and seconds of draft steps, of dense steps of one token, and of checks of several."""
    from sirius_cli.core.events import Checked, Drafted

    checked = [event for event in events if isinstance(event, Checked)]
    found = {
        "draft step": [(event.passes, event.seconds) for event in events if isinstance(event, Drafted)],
        "dense step": [(1, event.seconds) for event in checked if not event.drafted],
        "check": [(1, event.seconds) for event in checked if event.drafted],
    }
    return {kind: (sum(n for n, _ in each), sum(t for _, t in each)) for kind, each in found.items()}


class Clock:
    """A transformers streamer that notes when tokens come."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is held back."""


def generate_with_transformers(model: Any, prompt: list[int], limit: int) -> dict[str, Any]:
    import torch

    clock = Clock()
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, streamer=clock,
        repetition_penalty=1.0,
    )  # fmt: skip
    times = clock.times[1:]  # the first is the prompt
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None
    return {"ids": out[0, len(prompt) :].tolist(), "tokens_per_second": rate}


def load_transformers(folder: Path, threads: int | None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads or torch.get_num_threads())
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def run(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import sirius_kernels  # noqa: F401, I001  (sets how threads wait, for both sides; must come before torch)
    import torch

    threads = args.threads or torch.get_num_threads()
    hf = load_transformers(args.model, threads) if args.transformers else None
    engines = load_engines(args.model, args.methods, threads)
    shots = questions(args.shots)[: args.num_shots]
    done = len(args.out.read_text().splitlines()) if args.out.exists() else 0
    prime(engines, shots)
    for index, item in enumerate(questions(args.data)[: args.limit]):
        if index < done:
            continue
        prompt = engines["dense"].tokens.chat(messages(shots, item["question"]))
        row: dict[str, Any] = {"index": index, "prompt_tokens": len(prompt), "threads": threads}
        turn = index % len(engines)  # so that no method always runs first after the others
        for method in [*list(engines)[turn:], *list(engines)[:turn]]:
            row[method] = answer(engines[method], prompt, args.max_new_tokens)
        if hf is not None and index < args.transformers:
            torch.set_num_threads(threads)
            row["transformers"] = generate_with_transformers(hf, prompt, args.max_new_tokens)
            torch.set_num_threads(1)
        yield row


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f"{statistics.median(ordered):.3f} (10-90 %: {low:.3f} to {high:.3f}, n {len(ordered)})"


def by_steps(rows: list[dict[str, Any]], method: str) -> list[float]:
    """Tokens a second over dense decoding if every pass cost what its kind does in the median: no clock's noise.

    The passes are counted. A dense step costs 1; the others' costs, over a dense step of the same prompt, are medians
    over prompts.
    """

    def mean(row: dict[str, Any], name: str, kind: str) -> float | None:
        count, seconds = row[name]["passes"][kind]
        return seconds / count if count else None

    costs = {"dense step": 1.0}
    for kind in ("draft step", "check"):
        pairs = [(mean(row, method, kind), mean(row, "dense", "dense step")) for row in rows]
        costs[kind] = statistics.median([a / b for a, b in pairs if a and b] or [1.0])
    spent = [sum(costs[kind] * count for kind, (count, _) in row[method]["passes"].items()) for row in rows]
    return [sum(row[method]["advances"]) / cost for row, cost in zip(rows, spent, strict=True)]


def summarise(path: Path) -> None:
    rows = questions(path)
    report = sys.stdout.write
    for other in sorted({name for row in rows for name, value in row.items() if isinstance(value, dict)} - {"dense"}):
        both = [row for row in rows if other in row]
        same = sum(row[other]["ids"] == row["dense"]["ids"] for row in both)
        report(f"{other}: same tokens as dense {same} of {len(both)}\n")
        for base in ("dense", "transformers"):
            pairs = [(row[other]["tokens_per_second"], row[base]["tokens_per_second"]) for row in both if base in row]
            ratios = [a / b for a, b in pairs if a and b]
            if ratios and base != other:
                report(f"{other}: tok/s over {base} {spread(ratios)}\n")
        if other != "transformers":
            steps = by_steps(both, other)
            report(f"{other}: the same by steps {spread(steps)}, lowest {min(steps):.3f}\n")
            advances = [advance for row in both for advance in row[other]["advances"]]
            report(f"{other}: AAL {sum(advances) / len(advances):.2f} over {len(advances)} checks\n")
            for name, key in (("draft step", "draft_step_ms"), ("check", "check_ms")):
                ratios = [row[other][key] / row["dense"]["check_ms"] for row in both if row[other][key]]
                if ratios:  # a planner may have drafted nothing
                    report(f"{other}: {name} over dense step {spread(ratios)}\n")
            for key in ("effective_density", "effective_read", "corrected_fraction"):
                values = [row[other][key] for row in both if row[other][key] is not None]
                report(f"{other}: {key} {statistics.mean(values):.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the safetensors (`sirius models show` names it)")
    parser.add_argument("--data", type=Path, help="GSM8K questions as JSON lines")
    parser.add_argument("--shots", type=Path, help="solved GSM8K problems as JSON lines")
    parser.add_argument("--out", type=Path, help="results, one JSON line a prompt")
    parser.add_argument("--summary", type=Path, help="print the figures of this run instead")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--num-shots", type=int, default=4)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int)
    parser.add_argument(
        "--methods", nargs="*", default=list(METHODS), metavar="PROFILE[,KEY=VALUE…]",
        help="beside dense; sirius,correction.confidence=0 for one with a change",
    )  # fmt: skip
    parser.add_argument("--transformers", type=int, default=0, metavar="N", help="run transformers on the first N too")
    args = parser.parse_args()
    if args.summary:
        summarise(args.summary)
        return
    sys.stderr.write(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}\n")
    with args.out.open("a") as out:
        for row in run(args):
            out.write(json.dumps(row) + "\n")
            out.flush()
            sys.stderr.write(f"{row['index']}\n")


if __name__ == "__main__":
    main()
