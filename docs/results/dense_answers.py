"""Dense answers to questions of a file, for scripts that measure what drafts make of them."""

import argparse
import json
from pathlib import Path
from typing import Any


def load(folder: Path) -> Any:
    """An engine with the dense profile."""
    import sirius_kernels  # noqa: F401  (sets how threads wait; must come before torch)
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.engine.engine import Engine

    return Engine.load(folder, name=folder.name, profile=resolve_profile("dense", {}, {}).profile)


def prompts(engine: Any, args: argparse.Namespace) -> list[list[int]]:
    """The first ``limit`` questions of ``data``: behind a solved one of ``shots``, else as chats."""
    questions = [json.loads(line)["question"] for line in args.data.read_text().splitlines()[: args.limit]]
    if args.shots is None:
        return [engine.tokens.chat([{"role": "user", "content": question}]) for question in questions]
    shot, *_ = map(json.loads, args.shots.read_text().splitlines())
    head = f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\nQuestion: "
    return [engine.tokens.encode(f"{head}{question}\nAnswer:", special=True) for question in questions]


def answered(engine: Any, prompt: list[int], limit: int, stop: tuple[str, ...]) -> tuple[list[int], int]:
    """The prompt with its dense answer, and where the answer begins."""
    from sirius_cli.core.events import Committed
    from sirius_cli.core.request import GenerationRequest

    events = engine.generate(GenerationRequest(tuple(prompt), max_new_tokens=limit, stop=stop))
    answer = [token.token_id for event in events if isinstance(event, Committed) for token in event.tokens]
    return [*prompt, *answer], len(prompt)
