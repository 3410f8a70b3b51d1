"""What a benchmark of quality is asked to do, and what makes two of them the same run."""

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench.quality.methods import Method

_ID_LETTERS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run on what. ``limit`` and ``samples`` choose items, ``batch`` and ``allow_code`` how they are worked on:
    none of these decides about an answer. The rest does, and a change of it is another run.

    ``samples`` maps a task to the places of its items, from 0. ``batch`` None is as many answers side by side as pay
    and fit into memory. ``chat`` renders prompts by the model's chat template, ``multiturn`` the examples as turns of
    the conversation.
    """

    tasks: tuple[str, ...]
    methods: tuple[Method, ...]
    data: Path | None = None
    shots: Path | None = None
    num_fewshot: int | None = None
    max_new_tokens: int | None = None
    chat: bool = False
    multiturn: bool = False
    system: str | None = None
    seed: int = 1234
    limit: int | None = None
    samples: dict[str, list[int]] | None = None
    batch: int | None = None
    allow_code: bool = False

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UsageError("--task names no task", "see `sirius bench tasks`")
        for name, value in (("limit", self.limit), ("batch", self.batch), ("max-new-tokens", self.max_new_tokens)):
            if value is not None and not 1 <= value <= sys.maxsize:
                raise UsageError(f"{name} cannot be {value}", f"give a number from 1 to {sys.maxsize}")
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise UsageError(f"num-fewshot cannot be {self.num_fewshot}", "give 0 or more")
        if self.multiturn and not self.chat:
            raise UsageError("--fewshot-as-multiturn needs --apply-chat-template", "give both")
        if self.limit is not None and self.samples is not None:
            raise UsageError("--limit and --samples both choose items", "give one of them")

    def settings(self) -> dict[str, str]:
        """The options that decide about the answers. Raises ModelError where a data file cannot be read."""
        told = {
            "fewshot": self.num_fewshot,
            "max new tokens": self.max_new_tokens,
            "chat template": self.chat,
            "examples as turns": self.multiturn,
            "system prompt": self.system,
            "seed": self.seed,
            "data": _digest(self.data),
            "examples": _digest(self.shots),
        }
        return {name: str(value) for name, value in told.items() if value not in (None, False)}


def run_id(plan: Plan, model: str, dtype: str) -> str:
    """The name of the run: the same for the same command, whatever ``limit`` it has. ``model`` identifies weights."""
    methods = [[method.name, method.digest] for method in plan.methods]
    first = "".join(letter if letter.isalnum() else "-" for letter in plan.tasks[0])
    return f"{first}-{_fingerprint({'answers': answers_id(plan, model, dtype), 'methods': methods})}"


def answers_id(plan: Plan, model: str, dtype: str) -> str:
    """The same for all runs in which a method has the same answers: whatever else they compare it with."""
    return _fingerprint({"model": model, "dtype": dtype, "tasks": sorted(plan.tasks), **plan.settings()})


def _fingerprint(decides: Any) -> str:
    return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:_ID_LETTERS]


def _digest(file: Path | None) -> str | None:
    """What ``file`` holds, not where it lies."""
    if file is None:
        return None
    try:
        return f"{file.name} {sha256(file.read_bytes()).hexdigest()[:16]}"
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}", "name a JSONL file") from error
