"""Whole answers by the clock on the wall: whole windows as programs beside passes that ask the GPU one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from gpu.clock import Times, spread
from gpu.steps import DRAFTS, Steps
from sirius_cli.core.events import Checked
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest

_NEVER_FOUND = 1000  # tokens that would have to come twice; look-ups need single passes


@dataclass(frozen=True)
class AnswerTime:
    """What a window of an answer takes, and a dense step with the same weights."""

    model: str
    way: str
    times: Times


def ways(window: int) -> Mapping[str, Profile]:
    """Profiles whose windows are alike, but not what the device is asked meanwhile."""
    checked = CorrectionSpec(window=window, accept="exact", confidence=0.0)
    drafts = {"dense step": DraftSpec(method="dense"), f"window of {window}, int4": DRAFTS["int4"]}
    profiles = {name: Profile(draft=draft, correction=checked) for name, draft in drafts.items()}
    return profiles | {
        f"{name}, pass by pass": one.model_copy(update={"draft": one.draft.model_copy(update={"lookup": _NEVER_FOUND})})
        for name, one in profiles.items()
    }


def answers(model: Steps, tokens: int) -> Iterator[AnswerTime]:
    """Time answers of at least ``tokens`` tokens behind a text of random ones; the first windows do not count."""
    engine, vocabulary = model.engine, model.shape.vocabulary
    engine.drafters = model.drafters
    prompt = tuple((7 * i * i + 3 * i) % vocabulary for i in range(model.context))
    for way, profile in ways(model.size).items():
        engine.profile = profile
        if profile.draft.precision != "native" and not model.fits:
            continue
        request = GenerationRequest(prompt, max_new_tokens=tokens, ignore_eos=True)
        at = [event.at for event in engine.generate(request) if isinstance(event, Checked)]
        taken = [after - before for before, after in pairwise(at[1:])] or [at[-1]]
        yield AnswerTime(model.name, way, spread(taken))
