"""Whole engines over tiny random models, and what tests ask of a generation."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tiny_models import VOCABULARY, random_tokens
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel

from sirius_cli.core.events import Committed, CommittedToken, Drafted, Finished, Loaded, StepEvent
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.device import Placement
from sirius_cli.engine.engine import Engine
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.models.families import read_config
from sirius_cli.engine.tokens import Tokens
from sirius_cli.engine.weights import load_weights

DENSE = Profile(draft=DraftSpec(method="dense"))


def letters(eos: frozenset[int] = frozenset()) -> Tokens:
    """A tokenizer whose token i is one character, so that texts are easy to read and to cut."""
    tokenizer = Tokenizer(WordLevel({chr(0x21 + i): i for i in range(VOCABULARY)}, unk_token="!"))
    tokenizer.decoder = decoders.Fuse()
    return Tokens(tokenizer, eos_ids=eos)


def make_engine(folder: Path, *, ops: Ops | None = None, eos: frozenset[int] = frozenset()) -> Engine:
    """An engine over the tiny model of ``folder``, fp32 on the CPU, with the dense profile."""
    placement = Placement(torch.device("cpu"), torch.float32, ops or torch_ops())
    config = read_config(folder)
    model = Decoder(config, load_weights(folder, config, dtype=torch.float32), placement.ops)
    loaded = Loaded("tiny", "cpu", "float32", 0, 0.0, {})
    return Engine(model, letters(eos), DENSE, loaded, placement)


def profile(
    method: str,
    *,
    keep: float = 0.5,
    layers: str = "",
    refresh: int = 0,
    decay: float = 1.0,
    precision: str = "native",
    group: int = 32,
    lookup: int = 0,
    tree_width: int = 1,
    tree_split: float = 0.1,
    **correction: Any,
) -> Profile:
    draft = DraftSpec.model_validate(
        {
            "method": method, "keep": keep, "layers": layers, "refresh": refresh, "decay": decay,
            "precision": precision, "group": group, "lookup": lookup,
            "tree_width": tree_width, "tree_split": tree_split,
        }
    )  # fmt: skip
    return Profile(draft=draft, correction=CorrectionSpec(**correction))


def prompt(length: int = 9, seed: int = 0) -> tuple[int, ...]:
    return tuple(random_tokens(1, length, seed=seed)[0].tolist())


def plain_and_programmed(folder: Path, **options: Any) -> tuple[Engine, Engine]:
    """Two alike, of which the second runs programs."""
    plain, programmed = make_engine(folder, **options), make_engine(folder, **options)
    programmed.programs = True
    return plain, programmed


def answer(engine: Engine, chosen: Profile, request: GenerationRequest) -> list[StepEvent]:
    """The answer by ``chosen``."""
    engine.profile = chosen
    return list(engine.generate(request))


def generate(engine: Engine, chosen: Profile, request: GenerationRequest) -> list[StepEvent]:
    """The answer by ``chosen``, nothing of an earlier text used again."""
    engine._text = None
    return answer(engine, chosen, request)


def tokens_of(events: Iterable[StepEvent], row: int = 0) -> list[CommittedToken]:
    return [token for event in events if isinstance(event, Committed) and event.row == row for token in event.tokens]


def ids_of(events: Iterable[StepEvent], row: int = 0) -> list[int]:
    return [token.token_id for token in tokens_of(events, row)]


def text_of(events: Iterable[StepEvent], row: int = 0) -> str:
    events = list(events)
    (last,) = [event for event in events if isinstance(event, Finished) and event.row == row]
    return "".join(token.text for token in tokens_of(events, row)) + last.tail


def drafts_of(events: Iterable[StepEvent], row: int = 0) -> dict[int, list[tuple[int, float]]]:
    """By window: every drafted token and the draft's own probability of it, in order."""
    windows: dict[int, list[tuple[int, float]]] = {}
    for event in events:
        if isinstance(event, Drafted) and event.row == row:
            windows.setdefault(event.window, []).extend(zip(event.token_ids, event.probabilities, strict=True))
    return windows
