"""What a tree keeps of its advance where it branches less: wide trees recorded once, and cut down to narrower ones.

    python docs/results/measure_splits.py --model FOLDER --data QUESTIONS.jsonl --shots SHOTS.jsonl --out SPLITS.jsonl

Answers are made by trees of width 8 that branch everywhere, under the exact rule, so their texts are dense decoding's.
Every answer is a line of JSON in the output file: the draft, the question, and of every window the nodes (parent and
score) and the path that was kept. A file that is there is not measured again. At the end the table goes to standard
output: for every width and split, what the same windows would have advanced and how many nodes they would have had.
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

WIDEST = 8
DRAFTS = {"coarse": ("sirius", {}), "int4": ("exact", {"draft.lookup": 0})}
SHAPES = [(1, 0.0), (2, 0.0), (2, 0.1), (2, 0.5), (4, 0.0), (4, 0.1), (4, 0.2), (4, 0.5), (8, 0.0), (8, 0.1), (8, 0.2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shots", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=5, help="questions")
    parser.add_argument("--tokens", type=int, default=128, help="longest answer")
    args = parser.parse_args()
    if not args.out.exists():
        args.out.write_text("".join(json.dumps(record) + "\n" for record in _recorded(args)))
    sys.stdout.writelines(_table([json.loads(line) for line in args.out.read_text().splitlines()]))


def _recorded(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.core.request import GenerationRequest
    from sirius_cli.engine.engine import Engine
    from sirius_cli.engine.trees import loop
    from sirius_cli.services.draft_copies import StoredCopies
    from sirius_cli.services.progress import silent

    dense, copies = resolve_profile("dense", {}, {}).profile, StoredCopies(args.model, silent)
    engine = Engine.load(args.model, name=args.model.name, profile=dense, copies=copies)
    shot, *_ = map(json.loads, args.shots.read_text().splitlines())
    head = f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\nQuestion: "
    questions = [json.loads(line)["question"] for line in args.data.read_text().splitlines()[: args.limit]]
    tree = {"draft.tree_width": WIDEST, "draft.tree_split": 0.0, "correction.confidence": 0.0}
    for name, (profile, more) in DRAFTS.items():
        values = {**tree, "correction.accept": "exact", **more}
        twin = engine.twin(resolve_profile(profile, {key: (value, "") for key, value in values.items()}, {}).profile)
        for number, question in enumerate(questions):
            prompt = engine.tokens.encode(f"{head}{question}\nAnswer:", special=True)
            trees: list[dict[str, Any]] = []
            with patch.object(loop, "walk", _listening(loop.walk, trees)):
                request = GenerationRequest(tuple(prompt), max_new_tokens=args.tokens, stop=("\n\n",))
                list(twin.generate(request))
            yield {"draft": name, "question": number, "trees": trees}


def _listening(walk: Any, trees: list[dict[str, Any]]) -> Any:
    def listened(spec: Any, chooser: Any, logits: Any, tree: Any) -> Any:
        found = walk(spec, chooser, logits, tree)
        trees.append({"nodes": [(node.parent, node.score) for node in tree.nodes], "path": list(found.path)})
        return found

    return listened


def _table(records: list[dict[str, Any]]) -> Iterator[str]:
    yield "| draft | width | split | windows | AAL | nodes a check |\n| --- | --- | --- | --- | --- | --- |\n"
    for draft in DRAFTS:
        trees = [tree for record in records if record["draft"] == draft for tree in record["trees"]]
        for width, split in SHAPES:
            cut = [_cut(tree["nodes"], tree["path"], width, split) for tree in trees]
            advance, nodes = (fmean(column) for column in zip(*cut, strict=True))
            yield f"| {draft} | {width} | {split:g} | {len(cut)} | {advance:.1f} | {nodes:.0f} |\n"


def _cut(nodes: list[tuple[int, float]], path: list[int], width: int, split: float) -> tuple[int, int]:
    """Advance and drafted nodes of the tree as a narrower one would have grown."""
    children: dict[int, list[int]] = defaultdict(list)
    for number, (parent, _) in enumerate(nodes):
        children[parent].append(number)
    kept, level = {0}, [0]
    while level:
        ranked = sorted((child for node in level for child in children[node]), key=lambda one: -nodes[one][1])
        level = [one for one in ranked[:width] if math.exp(nodes[one][1] - nodes[ranked[0]][1]) >= split]
        kept |= set(level)
    followed = next((place for place, node in enumerate(path) if node not in kept), len(path))
    return followed, len(kept) - 1  # the root's place among those followed stands for the dense token


if __name__ == "__main__":
    main()
