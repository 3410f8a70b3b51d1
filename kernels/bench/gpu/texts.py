"""Whole answers of a toy model: windows and passes as a GPU replays them write what the plain loop does with torch."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from sirius_cli.core.events import StepEvent
from sirius_cli.core.metrics import fold
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine import device as engine_device
from sirius_cli.engine.backend import Ops
from sirius_cli.engine.engine import Engine
from sirius_kernels.contracts import Impl

SMALL_MODEL: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 40, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "hidden_act": "silu",
    "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
}  # fmt: skip
MODEL = SMALL_MODEL | {"vocab_size": 1009, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3}
DRAFTS = {
    "dense": DraftSpec(method="dense"),
    "coarse": DraftSpec(method="coarse", keep=0.5),
    "coarse, refresh": DraftSpec(method="coarse", keep=0.5, refresh=1),
    "fine": DraftSpec(method="fine", keep=0.5),
    "coarse over int8": DraftSpec(method="coarse", keep=0.5, precision="int8", group=32),
    "int4": DraftSpec(method="dense", precision="int4", group=32),
}
_PROMPTS = (3, 17, 70)  # tokens


class Texts:
    """One model on the Triton kernels and on torch's ops, both in fp32, where the same tokens can be asked for."""

    def __init__(self, device: torch.device, *, small: bool) -> None:
        config = SMALL_MODEL if small else MODEL
        self._ours, self._theirs = (_engine(config, device, impl) for impl in ("triton", "torch"))
        self._ours.programs, self._theirs.programs = True, False
        self._window, self._tokens = (3, 4) if small else (8, 40)
        self._prompts = _PROMPTS[:1] if small else _PROMPTS
        self._vocabulary = config["vocab_size"]

    def check(self, draft: str, *, passes: bool = False, width: int = 1) -> None:
        """Raise AssertionError where a text or the advance of a check differs.

        ``passes``: windows are looked up and end in doubt, so single passes are replayed in place of whole windows.
        Trees of more than one path of ``width`` are always made of such.
        """
        profile = self._profile(draft, lookup=2 if passes else 0, confidence=0.1 if passes else 0.0, width=width)
        for request in self._requests:
            ours, theirs = (_answer(engine, profile, request) for engine in (self._ours, self._theirs))
            _compare(ours, theirs, profile)

    def check_together(self, draft: str) -> None:
        """Raise AssertionError where a text of several side by side, or the advance of a check, differs."""
        profile = self._profile(draft, lookup=0, confidence=0.1, width=1)
        ours, theirs = (_answers(engine, profile, self._requests) for engine in (self._ours, self._theirs))
        for mine, other in zip(ours, theirs, strict=True):
            _compare(mine, other, profile)

    def _profile(self, draft: str, *, lookup: int, confidence: float, width: int) -> Profile:
        correction = CorrectionSpec(window=self._window, accept="exact", confidence=confidence)
        found = DRAFTS[draft].model_copy(update={"lookup": lookup, "tree_width": width})
        return Profile(draft=found, correction=correction)

    @property
    def _requests(self) -> list[GenerationRequest]:
        prompts = (torch.arange(length).mul_(7).remainder_(self._vocabulary).tolist() for length in self._prompts)
        return [GenerationRequest(tuple(prompt), max_new_tokens=self._tokens) for prompt in prompts]


Answer = tuple[list[int], tuple[int, ...]]
"""The tokens of an answer and the advance of each of its checks."""


def _compare(ours: Answer, theirs: Answer, profile: Profile) -> None:
    """Copies are multiplied in bytes here and not by torch.

    So their drafts may differ where two tokens are as likely, and so may the number of checks, a little.
    """
    alike = ours == theirs
    if profile.draft.precision != "native":
        checks, more = abs(len(ours[1]) - len(theirs[1])), 1 + len(theirs[1]) // 4
        alike = ours[0] == theirs[0] and checks <= more
    assert alike, f"{profile.draft.words}: {ours} where torch has {theirs}"


def _answer(engine: Engine, profile: Profile, request: GenerationRequest) -> Answer:
    engine.profile = profile
    return _told(list(engine.generate(request)))


def _answers(engine: Engine, profile: Profile, requests: Sequence[GenerationRequest]) -> list[Answer]:
    engine.profile = profile
    events = list(engine.generate_batch(requests, places=len(requests)))
    return [_told([event for event in events if event.row == row]) for row in range(len(requests))]


def _told(events: Sequence[StepEvent]) -> Answer:
    ids = [token.token_id for event in events if event.kind == "committed" for token in event.tokens]
    return ids, fold(events).advances


def _engine(config: dict[str, Any], device: torch.device, impl: Impl) -> Engine:
    dense = Profile(draft=DRAFTS["dense"])
    with patch.object(engine_device, "choose_ops", lambda *_: Ops(impl, "the suite")):
        return Engine.load_random(config, name="toy", profile=dense, device=str(device), dtype="float32")


def cases(device: torch.device, *, small: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """A check of each draft, by name."""
    texts = Texts(device, small=small)
    for draft in ("coarse, refresh",) if small else DRAFTS:  # the interpreter takes seconds for each
        yield f"text, {draft}", partial(texts.check, draft)
    for draft in ("int4",) if small else DRAFTS:
        yield f"text by single passes, {draft}", partial(texts.check, draft, passes=True)
    for draft in ("coarse, refresh",) if small else [name for name in DRAFTS if name != "dense"]:
        yield f"text by trees, {draft}", partial(texts.check, draft, width=2 if small else 4)
    for draft in ("coarse",) if small else DRAFTS:
        yield f"texts side by side, {draft}", partial(texts.check_together, draft)
