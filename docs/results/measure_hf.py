"""Compare dense answers through our engine with those of lm-eval's own `hf` model: the same items, fp32.

    sirius bench --task gsm8k --data dev.jsonl --limit 30 --compare dense --batch 1 --log-samples LOG
    python docs/results/measure_hf.py --model FOLDER --task gsm8k --data dev.jsonl --limit 30 \\
        --ours LOG/gsm8k-dense.jsonl

FOLDER is the model's (`sirius models show` names it). Options that change prompts (--shots, --num-fewshot,
--max-new-tokens) have to be given to both.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import sirius_kernels  # noqa: F401  (sets how threads wait, before torch)


def theirs(args: argparse.Namespace) -> dict[int, dict[str, Any]]:
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    from sirius_cli.services.bench.tasks.catalogue import load_tasks

    tasks = load_tasks(
        [args.task], data=args.data, shots=args.shots, num_fewshot=args.num_fewshot, seed=1234, allow_code=False
    )
    if args.max_new_tokens:
        for task in tasks.values():
            task.set_config("generation_kwargs", {"max_gen_toks": args.max_new_tokens}, update=True)
    model = HFLM(pretrained=str(args.model), dtype="float32", batch_size=1, device="cpu")
    report = evaluate(model, {"tasks": tasks}, limit=args.limit, bootstrap_iters=0)
    assert report is not None
    return {row["doc_id"]: row for rows in report["samples"].values() for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--num-fewshot", type=int)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--limit", type=int, default=30)
    parser.add_argument("--ours", type=Path, required=True, help="what --log-samples wrote")
    args = parser.parse_args()
    ours = {row["doc_id"]: row for row in map(json.loads, args.ours.read_text().splitlines())}
    other = theirs(args)
    both = sorted(ours.keys() & other.keys())
    same = [ours[item]["resps"] == other[item]["resps"] for item in both]
    scores = [ours[item][name] == other[item][name] for item in both for name in other[item]["metrics"]]
    sys.stdout.write(f"same answers: {sum(same)} of {len(both)}; same scores: {sum(scores)} of {len(scores)}\n")
    for item, equal in zip(both, same, strict=True):
        if not equal:
            sys.stdout.write(f"{item}: {ours[item]['resps']!r}\n    {other[item]['resps']!r}\n")


if __name__ == "__main__":
    main()
