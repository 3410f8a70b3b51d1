"""The slash commands of a conversation: their names, the settings that they change. Printing is the front ends'."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sirius_cli.config.idle import idle
from sirius_cli.config.resolve import Override, ResolvedProfile, resolve_profile
from sirius_cli.config.values import value_of
from sirius_cli.core.events import Loaded
from sirius_cli.errors import UsageError
from sirius_cli.services.session import AnswerSpec


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError
    return text == "on"


@dataclass(frozen=True, slots=True)
class _Setting:
    """``key`` is a dotted field of the profile or a field of ``AnswerSpec`` or ``SamplingSpec``."""

    key: str
    convert: Callable[[str], Any]


_SETTINGS = {
    "method": _Setting("draft.method", str),
    "keep": _Setting("draft.keep", float),
    "draft-layers": _Setting("draft.layers", str),
    "refresh": _Setting("draft.refresh", int),
    "decay": _Setting("draft.decay", float),
    "draft-precision": _Setting("draft.precision", str),
    "draft-group": _Setting("draft.group", int),
    "draft-int8": _Setting("draft.int8", str),
    "draft-lookup": _Setting("draft.lookup", int),
    "tree-width": _Setting("draft.tree_width", int),
    "tree-split": _Setting("draft.tree_split", float),
    "window": _Setting("correction.window", value_of),
    "plan-for": _Setting("correction.plan_for", str),
    "confidence": _Setting("correction.confidence", float),
    "accept": _Setting("correction.accept", str),
    "threshold": _Setting("correction.threshold", float),
    "accept-temperature": _Setting("correction.temperature", float),
    "correction": _Setting("correction.enabled", _switch),
    "temperature": _Setting("temperature", float),
    "top-p": _Setting("top_p", float),
    "top-k": _Setting("top_k", int),
    "seed": _Setting("seed", int),
    "max-new-tokens": _Setting("max_new_tokens", int),
    "stop": _Setting("stop", lambda text: () if text == "none" else (text,)),
}
COMMANDS = {
    "/help": "list the commands",
    "/set": f"NAME VALUE, one of {', '.join(_SETTINGS)}",
    "/show": "the model, the profile and the settings",
    "/system": "TEXT, the system prompt from now on; without TEXT there is none",
    "/clear": "forget the conversation",
    "/retry": "answer the last prompt again; a sampled answer gets the next seed",
    "/stats": "all figures of the last answer",
    "/bye": "leave, as Ctrl-D does",
}
_ALIASES = {"/quit": "/bye", "/exit": "/bye"}  # what other programs have taught


@dataclass(frozen=True, slots=True)
class Setup:
    """How answers are made: a profile by name, what overrides it, what that comes to, and the rest."""

    profile_name: str | None
    overrides: Mapping[str, Override]
    resolved: ResolvedProfile
    spec: AnswerSpec


def split(line: str, commands: Mapping[str, str]) -> tuple[str, str] | None:
    """The command of ``line`` and what follows it; None if ``line`` is a prompt.

    Raises:
        UsageError: if there is no such command.
    """
    if not line.startswith("/"):
        return None
    name, _, rest = line.partition(" ")
    name = _ALIASES.get(name, name)
    if name not in commands:
        raise UsageError(f"there is no command {name}", "/help lists them")
    return name, rest.strip()


def change(setup: Setup, assignment: str, env: Mapping[str, str]) -> Setup:
    """What ``/set NAME VALUE`` makes of ``setup``.

    Raises:
        UsageError: if there is no such setting, it cannot have that value, or would have no effect.
    """
    name, _, text = assignment.partition(" ")
    setting = _SETTINGS.get(name)
    if setting is None or not text.strip():
        raise UsageError(f"/set cannot use {assignment!r}", f"give NAME VALUE, NAME one of {', '.join(_SETTINGS)}")
    try:
        value = setting.convert(text.strip())
    except ValueError as error:
        raise UsageError(f"{name} cannot be {text.strip()}") from error
    if "." not in setting.key:
        return replace(setup, spec=_changed(setup.spec, setting.key, value))
    overrides = {**setup.overrides, setting.key: (value, "/set")}
    resolved = resolve_profile(setup.profile_name, overrides, env)
    if found := idle(setting.key, resolved.profile):
        raise UsageError(f"{name} has no effect: {found.reason}", f"first /set {found.setting} {found.value}")
    return replace(setup, overrides=overrides, resolved=resolved)


def with_system(setup: Setup, text: str) -> Setup:
    """``setup`` with another system prompt; an empty ``text`` is none.

    Raises:
        UsageError: if prompts are raw.
    """
    return replace(setup, spec=replace(setup.spec, system=text or None))


def for_retry(setup: Setup) -> Setup:
    """``setup`` for another answer to the same prompt: a sampled one gets the next seed."""
    sampling = setup.spec.sampling
    if sampling.greedy:
        return setup
    return replace(setup, spec=_changed(setup.spec, "seed", sampling.seed + 1))


def describe(setup: Setup, loaded: Loaded) -> dict[str, object]:
    """What ``/show`` tells, by name."""
    spec, profile = setup.spec, setup.resolved.profile
    return {
        "model": f"{loaded.model} ({loaded.parameters / 1e6:.0f} M parameters, {loaded.dtype}, {loaded.device})",
        "profile": profile.name,
        **{f"draft.{name}": value for name, value in profile.draft.model_dump().items()},
        **{f"correction.{name}": value for name, value in profile.correction.model_dump().items()},
        "max-new-tokens": spec.max_new_tokens,
        "temperature": spec.sampling.temperature,
        "top-p": spec.sampling.top_p,
        "top-k": spec.sampling.top_k,
        "seed": spec.sampling.seed,
        "stop": ", ".join(map(repr, spec.stop)) or "none",
        "system": spec.system or "none",
    }


def table(pairs: Mapping[str, object]) -> list[str]:
    """Names and values in two columns, a line each; None is "not measured"."""
    return [f"{name:<26} {_shown(value)}" for name, value in pairs.items()]


def _shown(value: object) -> object:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else value


def _changed(spec: AnswerSpec, name: str, value: Any) -> AnswerSpec:
    if name in ("max_new_tokens", "stop"):
        return replace(spec, **{name: value})
    return replace(spec, sampling=replace(spec.sampling, **{name: value}))
