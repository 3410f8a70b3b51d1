"""The methods that a benchmark compares: profiles, and the draft of one alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import yaml

from sirius_cli.config.resolve import Override, resolve_profile
from sirius_cli.core.profile import Profile
from sirius_cli.errors import UsageError
from sirius_cli.services.modes import profile_for

USUAL = "sirius"
"""The profile to compare if none is named: the paper's setting, which unlike that of chats can cost answers."""
DRAFT = "draft"
"""Names the draft of the profile at hand, without a check."""
_SHORT = {
    "method": "draft.method",
    "keep": "draft.keep",
    "layers": "draft.layers",
    "refresh": "draft.refresh",
    "decay": "draft.decay",
    "precision": "draft.precision",
    "group": "draft.group",
    "int8": "draft.int8",
    "lookup": "draft.lookup",
    "tree_width": "draft.tree_width",
    "tree_split": "draft.tree_split",
    "window": "correction.window",
    "plan_for": "correction.plan_for",
    "confidence": "correction.confidence",
    "accept": "correction.accept",
    "threshold": "correction.threshold",
    "accept_temperature": "correction.temperature",
    "correction": "correction.enabled",
}
_SINCE = {"coarse": "weighed by down rows", "int4": "rounded by a text", "tree": "split by likelihood"}
"""How neurons are chosen, weights rounded and trees grown now, where it was otherwise once."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to decode, under the name that the user gave it."""

    name: str
    profile: Profile

    @property
    def digest(self) -> str:
        """Changes whenever the answers may: with the draft or the check, not with their names.

        Defaults are left out, so that a field that is new in some version leaves older answers valid. Drafts that
        answer otherwise than in older versions are told apart by name.
        """
        draft = self.profile.draft
        decides = self.profile.model_dump_json(include={"draft", "correction"}, exclude_defaults=True)
        kinds = (draft.method, draft.precision, "tree" if self.profile.trees else "chain")
        decides += "".join(_SINCE.get(kind, "") for kind in kinds)
        return sha256(decides.encode()).hexdigest()[:12]


def methods(compare: str | None, profile: Profile, *, draft_only: bool = False) -> tuple[Method, ...]:
    """What to compare, the baseline first: dense, the draft of ``profile`` alone and ``profile`` itself, if not told.

    ``compare`` lists profiles with commas between: names, files, ``draft``; each may change values, as in
    ``sirius:window=8:threshold=0.3``. The name of ``profile`` stands for it with all of its changes.

    Raises:
        UsageError: for an unknown profile, a value that it cannot take, or a method that is named twice.
        ProfileError: for a broken file.
    """
    if draft_only and compare is not None:
        raise UsageError("--draft-only and --compare both say what to run", "give one of them")
    if draft_only:
        return (Method(DRAFT, profile_for("sparse", profile)),)
    alone = [] if profile.draft.native_dense else [DRAFT]  # what is looked up cannot answer alone
    usual = ["dense", *alone, profile.name] if profile.drafts else ["dense"]
    names = usual if compare is None else [part.strip() for part in compare.split(",") if part.strip()]
    chosen = tuple(Method(name, _profile(name, profile)) for name in names)
    if not chosen:
        raise UsageError("--compare names no method", "give profiles with commas between")
    _expect_distinct([method.name for method in chosen])
    return chosen


def _profile(text: str, profile: Profile) -> Profile:
    name, *settings = text.split(":")
    if not settings and name in (DRAFT, profile.name):
        return profile if name == profile.name else profile_for("sparse", profile)
    if name == DRAFT:
        raise UsageError(f"{text!r} cannot change the draft", "name a profile instead, such as coarse:keep=0.4")
    overrides = dict(_override(text, setting) for setting in settings)
    # The variables of single values are meant for the profile at hand, not for all that it is compared with.
    return resolve_profile(name, overrides, {}).profile


def _override(text: str, setting: str) -> tuple[str, Override]:
    key, _, value = setting.partition("=")
    if key not in _SHORT or not value:
        raise UsageError(f"{text!r} cannot change {setting!r}", f"give KEY=VALUE, the key one of {', '.join(_SHORT)}")
    return _SHORT[key], (yaml.safe_load(value), f"flag --compare {text}")


def _expect_distinct(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--compare names {', '.join(twice)} twice", "name each method once")
