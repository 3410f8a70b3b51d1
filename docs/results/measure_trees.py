"""What trees gain over chains: advance, bytes read and speed by width and split, on the first questions of a file.

    python docs/results/measure_trees.py --model FOLDER --data QUESTIONS.jsonl --shots SHOTS.jsonl --out TREES.jsonl

Every answer is a line of JSON in the output file: the rule, the tree, the question, its tokens, seconds, draft steps,
nodes and advances. Answers that the file has already are not made again, so a run that was stopped goes on. Of a chain,
`offers` counts the corrections that left a drafted rest behind, and `reused` the tokens of these rests that the text
then went on with at once: what offering them again could have gained. At the end a table of all answers goes to
standard output.
"""

import argparse
import json
import sys
from collections import defaultdict
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shots", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=5, help="questions")
    parser.add_argument("--tokens", type=int, default=128, help="longest answer")
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--splits", type=float, nargs="+", default=[0.1], help="tree_split of each width above 1")
    parser.add_argument("--rules", nargs="+", default=["likelihood", "exact"])
    args = parser.parse_args()
    shapes = [(width, split) for width in args.widths for split in (args.splits if width > 1 else [0.0])]
    wanted = [(rule, *shape, question) for question in range(args.limit) for rule in args.rules for shape in shapes]
    done = {_key(one) for one in _read(args.out)}
    left = [one for one in wanted if one not in done]
    if left:
        _measure(args, left)
    sys.stdout.writelines(line + "\n" for line in _table(_read(args.out)))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _key(record: dict[str, Any]) -> tuple[str, int, float, int]:
    return record["rule"], record["width"], record["split"], record["question"]


def _measure(args: argparse.Namespace, left: list[tuple[str, int, float, int]]) -> None:
    engine = _engine(args.model)
    prompts = _prompts(engine, args)
    with args.out.open("a") as out:
        for rule, width, split, question in left:
            case = {"rule": rule, "width": width, "split": split, "question": question}
            figures = _answer(engine, prompts[question], args, rule, width, split)
            out.write(json.dumps({**case, **figures}) + "\n")
            out.flush()


def _engine(folder: Path) -> Any:
    import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.engine.engine import Engine

    return Engine.load(folder, name=folder.name, profile=resolve_profile("dense", {}, {}).profile)


def _prompts(engine: Any, args: argparse.Namespace) -> list[list[int]]:
    shot, *_ = map(json.loads, args.shots.read_text().splitlines())
    head = f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\nQuestion: "
    questions = [json.loads(line)["question"] for line in args.data.read_text().splitlines()[: args.limit]]
    return [engine.tokens.encode(f"{head}{question}\nAnswer:", special=True) for question in questions]


def _answer(
    engine: Any, prompt: list[int], args: argparse.Namespace, rule: str, width: int, split: float
) -> dict[str, Any]:
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.core.events import Checked, Committed, Drafted
    from sirius_cli.core.metrics import fold
    from sirius_cli.core.request import GenerationRequest

    values = {
        "draft.method": "coarse", "draft.keep": args.keep, "draft.tree_width": width, "draft.tree_split": split,
        "correction.window": args.window, "correction.accept": rule, "correction.confidence": 0.0,
    }  # fmt: skip
    profile = resolve_profile("sirius", {key: (value, "") for key, value in values.items()}, {}).profile
    request = GenerationRequest(tuple(prompt), max_new_tokens=args.tokens, stop=("\n\n",))
    events = list(engine.twin(profile).generate(request))
    times = [event.at for event in events if isinstance(event, Committed)]
    metrics = fold(events)
    return {
        "ids": [token.token_id for event in events if isinstance(event, Committed) for token in event.tokens],
        "seconds": times[-1] - times[0],
        "steps": sum(event.passes for event in events if isinstance(event, Drafted)),
        "nodes": sum(event.nodes for event in events if isinstance(event, Checked)),
        "advances": metrics.advances,
        "read": metrics.effective_read,
        "step_ms": metrics.draft_step_ms,
        "check_ms": metrics.check_ms,
        **(_rests(events) if width == 1 else {}),
    }


def _rests(events: list[Any]) -> dict[str, int]:
    """What became of the drafts behind corrections."""
    from sirius_cli.core.events import Checked, Committed, Drafted

    rest: list[int] = []
    drafted: dict[int, list[int]] = defaultdict(list)
    accepted: dict[int, int] = {}
    offers = reused = 0
    for event in events:
        if isinstance(event, Drafted):
            drafted[event.window] += event.token_ids
        elif isinstance(event, Checked):
            accepted[event.window] = event.accepted
        elif isinstance(event, Committed) and event.window:
            if rest:
                offers += 1
                pairs = zip(rest, event.tokens, strict=False)
                reused += sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].token_id, pairs))
            corrected = event.tokens[-1].origin == "correction"
            rest = drafted[event.window][accepted[event.window] + 1 :] if corrected else []
    return {"offers": offers, "reused": reused}


def _table(records: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown: a rule and a tree a row, over the questions that all of them have answered."""
    by_case: dict[tuple[str, int, float], dict[int, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        by_case[record["rule"], record["width"], record["split"]][record["question"]] = record
    common = set.intersection(*(set(answers) for answers in by_case.values()))
    figures = ("AAL", "nodes a check", "effective read", "step ms", "check ms", "tok/s")
    header = ("rule", "width", "split", "answers", *figures)
    rows = [header, ("---",) * len(header)]
    for shape, answers in sorted(by_case.items()):
        rows.append(tuple(map(str, (*shape, len(common), *_figures([answers[i] for i in sorted(common)])))))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    for rule in sorted({rule for rule, *_ in by_case}):
        of_rule = [answers for (name, *_), answers in by_case.items() if name == rule]
        same = sum(len({tuple(answers[i]["ids"]) for answers in of_rule}) == 1 for i in common)
        chains = list(by_case[rule, 1, 0.0].values())
        offers, reused = (sum(record[name] for record in chains) for name in ("offers", "reused"))
        lines.append(
            f"{rule}: {same} of {len(common)} answers are the same whatever the tree; {reused} tokens of {offers} rests"
        )
    return lines


def _figures(answers: list[dict[str, Any]]) -> tuple[str, ...]:
    advances = [advance for answer in answers for advance in answer["advances"]]
    tokens = [len(answer["ids"]) - 1 for answer in answers]
    read = sum(answer["read"] * count for answer, count in zip(answers, tokens, strict=True)) / sum(tokens)
    return (
        f"{fmean(advances):.1f}",
        f"{sum(answer['nodes'] or answer['steps'] for answer in answers) / len(advances):.0f}",
        f"{read:.2f}",
        *(f"{fmean(answer[name] for answer in answers):.0f}" for name in ("step_ms", "check_ms")),
        f"{sum(tokens) / sum(answer['seconds'] for answer in answers):.2f}",
    )


if __name__ == "__main__":
    main()
