"""One profile from all that has a say: flag, then environment, then profile file, then default."""

from collections.abc import Mapping
from dataclasses import dataclass

from sirius_cli.config import catalogue
from sirius_cli.config.catalogue import LoadedProfile
from sirius_cli.config.faults import ProfileError, check, nest
from sirius_cli.config.files import FIELDS
from sirius_cli.config.values import value_of
from sirius_cli.core.profile import Profile

DEFAULT_PROFILE = "exact"
Override = tuple[object, str]
"""A value and its origin, "flag --keep" or "env SIRIUS_KEEP"."""

_VARIABLES = {
    "draft.method": "SIRIUS_METHOD",
    "draft.keep": "SIRIUS_KEEP",
    "draft.layers": "SIRIUS_DRAFT_LAYERS",
    "draft.refresh": "SIRIUS_REFRESH",
    "draft.decay": "SIRIUS_DECAY",
    "draft.precision": "SIRIUS_DRAFT_PRECISION",
    "draft.group": "SIRIUS_DRAFT_GROUP",
    "draft.int8": "SIRIUS_DRAFT_INT8",
    "draft.lookup": "SIRIUS_DRAFT_LOOKUP",
    "draft.tree_width": "SIRIUS_TREE_WIDTH",
    "draft.tree_split": "SIRIUS_TREE_SPLIT",
    "correction.window": "SIRIUS_WINDOW",
    "correction.plan_for": "SIRIUS_PLAN_FOR",
    "correction.confidence": "SIRIUS_CONFIDENCE",
    "correction.accept": "SIRIUS_ACCEPT",
    "correction.threshold": "SIRIUS_THRESHOLD",
    "correction.temperature": "SIRIUS_ACCEPT_TEMPERATURE",
}
_NO_CORRECTION = "SIRIUS_NO_CORRECTION"
_FALSE = ("", "0", "false", "no", "off", "f", "n")


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """A profile and where each of its values came from, by dotted key: "flag --keep", "profiles/sirius.yaml:7"."""

    profile: Profile
    origins: dict[str, str]


def resolve_profile(
    name_or_file: str | None,
    overrides: Mapping[str, Override],
    env: Mapping[str, str],
    default: str = DEFAULT_PROFILE,
) -> ResolvedProfile:
    """The profile ``name_or_file`` (else ``SIRIUS_PROFILE``, else ``default``) with all overrides in place.

    ``overrides`` go by dotted key and beat the variables that ``env`` sets. Every key must be a profile's.

    Raises:
        UsageError: if there is no such profile.
        ProfileError: with every fault of its files, or every override that is out of range.
    """
    loaded = catalogue.load(name_or_file or env.get("SIRIUS_PROFILE") or default)
    return resolve_loaded(loaded, {**_from_environment(env), **overrides})


def resolve_loaded(loaded: LoadedProfile, overrides: Mapping[str, Override]) -> ResolvedProfile:
    """As ``resolve_profile``, for a profile that has been loaded."""
    values = loaded.values | {key: value for key, (value, _) in overrides.items()}
    origins = dict.fromkeys(FIELDS, "default") | loaded.places
    origins |= {key: origin for key, (_, origin) in overrides.items()}
    if unknown := origins.keys() - set(FIELDS):
        raise KeyError(f"no such profile keys: {sorted(unknown)}")
    places = {key: origin.removeprefix("flag ").removeprefix("env ") for key, origin in origins.items()}
    if faults := check(values, places):
        raise ProfileError(faults)
    about = {"name": loaded.source.name, "description": loaded.description, "source": loaded.numbers_from}
    return ResolvedProfile(Profile.model_validate(nest(values) | about), origins)


def _from_environment(env: Mapping[str, str]) -> dict[str, Override]:
    found: dict[str, Override] = {
        key: (value_of(text), f"env {variable}") for key, variable in _VARIABLES.items() if (text := env.get(variable))
    }
    if env.get(_NO_CORRECTION, "").lower() not in _FALSE:
        found["correction.enabled"] = (False, f"env {_NO_CORRECTION}")
    return found
