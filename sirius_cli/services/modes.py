"""The three ways to answer that are worth comparing: dense, the draft alone, the draft corrected."""

from typing import Literal

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile

Mode = Literal["sirius", "sparse", "dense"]
MODES: tuple[Mode, ...] = ("sirius", "sparse", "dense")


def profile_for(mode: Mode, profile: Profile) -> Profile:
    """``profile`` run in another ``mode``. What it does not say of a draft or a check has the fields' defaults."""
    match mode:
        case "dense":
            return _with(profile, "dense", DraftSpec(method="dense", keep=1.0), enabled=False)
        case "sparse":
            return _with(profile, "sparse", _sparse(profile), enabled=False)
        case "sirius":
            return profile if profile.corrects else _with(profile, "sirius", _sparse(profile), enabled=True)


def mode_of(profile: Profile) -> Mode:
    """The mode in which ``profile`` runs."""
    if not profile.drafts:
        return "dense"
    return "sirius" if profile.corrects else "sparse"


def _sparse(profile: Profile) -> DraftSpec:
    return DraftSpec() if profile.draft.native_dense else profile.draft


def _with(profile: Profile, name: str, draft: DraftSpec, *, enabled: bool) -> Profile:
    correction = CorrectionSpec.model_validate(profile.correction.model_dump() | {"enabled": enabled})
    about = {"name": name, "description": "", "source": ""}
    return profile.model_copy(update={**about, "draft": draft, "correction": correction})
