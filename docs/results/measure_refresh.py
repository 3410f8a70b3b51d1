"""How far coarse drafts come behind prompts of a few tokens, and what choosing neurons anew brings there.

    python docs/results/measure_refresh.py --model FOLDER --out REFRESH.jsonl

Prompts are the first tokens of pieces of a text of many kinds. Drafts are checked by the exact rule, so all settings
write the same texts. Every setting is a line of JSON in the output file; settings that it has are not run again. At the
end a table goes to standard output: mean tokens of all checks, and in brackets of every answer's first check.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import dense_answers

PIECE = 96  # tokens from one piece's begin to the next one's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=12)
    parser.add_argument("--lengths", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64], help="tokens of a prompt")
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument(
        "--settings", nargs="+", default=["0", "1", "2", "4", "1:0.9", "1:0.7"], metavar="REFRESH[:DECAY]"
    )
    args = parser.parse_args()
    left = [setting for setting in args.settings if setting not in {found["setting"] for found in _read(args.out)}]
    if left:
        _measure(args, left)
    sys.stdout.writelines(line + "\n" for line in _table(_read(args.out), args.lengths))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _measure(args: argparse.Namespace, left: list[str]) -> None:
    from sirius_cli.services.sample_text import sample_of

    engine = dense_answers.load(args.model)
    text = sample_of(engine.tokens)
    pieces = [text[at : at + max(args.lengths)] for at in range(0, args.pieces * PIECE, PIECE)]
    prompts = [piece[:length] for length in args.lengths for piece in pieces]
    with args.out.open("a") as out:
        for setting in left:
            found = _advances(engine.twin(_profile(args, setting)), prompts, args.tokens)
            by_length = {
                length: found[place * args.pieces : (place + 1) * args.pieces]
                for place, length in enumerate(args.lengths)
            }
            out.write(json.dumps({"setting": setting, "advances": by_length}) + "\n")
            out.flush()


def _profile(args: argparse.Namespace, setting: str) -> Any:
    from sirius_cli.config.resolve import resolve_profile

    refresh, _, decay = setting.partition(":")
    values = {
        "draft.keep": args.keep,
        "draft.refresh": int(refresh),
        "draft.decay": float(decay or 1.0),
        "correction.window": args.window,
        "correction.confidence": 0.0,
        "correction.accept": "exact",
    }
    return resolve_profile("sirius", {key: (value, setting) for key, value in values.items()}, {}).profile


def _advances(engine: Any, prompts: list[list[int]], tokens: int) -> list[tuple[int, ...]]:
    """Of each prompt's answer, check by check."""
    from sirius_cli.core.metrics import fold
    from sirius_cli.core.request import GenerationRequest

    by_row = defaultdict(list)
    for event in engine.generate_batch([GenerationRequest(tuple(prompt), max_new_tokens=tokens) for prompt in prompts]):
        by_row[event.row].append(event)
    return [fold(by_row[row]).advances for row in range(len(prompts))]


def _table(records: list[dict[str, Any]], lengths: list[int]) -> list[str]:
    cells = "".join(f" {length} |" for length in lengths)
    lines = [f"| refresh, decay |{cells}", "| --- |" + " --- |" * len(lengths)]
    for record in records:
        answers = [record["advances"][str(length)] for length in lengths]
        means = (fmean(advance for answer in found for advance in answer) for found in answers)
        firsts = (fmean(answer[0] for answer in found if answer) for found in answers)
        cells = "".join(f" {mean:.2f} ({first:.2f}) |" for mean, first in zip(means, firsts, strict=True))
        lines.append(f"| {record['setting'].replace(':', ', ')} |{cells}")
    return lines


if __name__ == "__main__":
    main()
