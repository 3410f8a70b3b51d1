"""Values that mean nothing beside the others of their profile. Whoever sets one is told, and what would help."""

from collections.abc import Callable
from dataclasses import dataclass

from sirius_cli.config.resolve import ResolvedProfile
from sirius_cli.core.profile import DraftSpec, Profile
from sirius_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Idle:
    """Why a value has no effect.

    It has one once ``setting`` is ``value``, as in the shipped ``profile``; empty where no shipped one has it.
    """

    reason: str
    setting: str
    value: str
    profile: str = ""

    @property
    def hint(self) -> str:
        """What to type instead."""
        return f"add --{self.setting} {self.value}" + (f", or choose --profile {self.profile}" if self.profile else "")


_DENSE = Idle("a dense draft uses all neurons", "method", "coarse", "sirius")
_BY_LAYER = Idle("every layer has a keep of its own", "draft-layers", "none", "sirius")
_NOT_COARSE = Idle("only a coarse draft chooses neurons for a whole text", "method", "coarse", "sirius")
_NATIVE = Idle("drafts read the weights as they are", "draft-precision", "int4", "exact")
_NO_INT4 = Idle("only an int4 copy has matrices that could keep more bits", "draft-precision", "int4", "exact")
_NO_STEPS = Idle("a draft of all weights as they are is no cheaper in a tree", "method", "coarse", "sirius")
_CHAIN = Idle("a chain is one path", "tree-width", "4")
_ONE_SIZE = Idle("windows of one size are not planned", "window", "auto")
_EXACT = Idle("the exact rule knows no likelihood", "accept", "likelihood", "sirius")

# Windows, rules and confidences are not here: the dashboard can switch checks on.
_RULES: dict[str, tuple[Callable[[Profile], bool], Idle]] = {
    "draft.layers": (lambda profile: profile.draft.method != "coarse", _NOT_COARSE),
    "draft.refresh": (lambda profile: profile.draft.method != "coarse", _NOT_COARSE),
    "draft.decay": (lambda profile: profile.draft.method != "coarse", _NOT_COARSE),
    "draft.group": (lambda profile: profile.draft.precision == "native", _NATIVE),
    "draft.int8": (lambda profile: profile.draft.precision != "int4", _NO_INT4),
    "draft.tree_width": (lambda profile: profile.draft.native_dense, _NO_STEPS),
    "draft.tree_split": (lambda profile: profile.draft.tree_width == 1 or profile.draft.native_dense, _CHAIN),
    "correction.plan_for": (lambda profile: profile.correction.window != "auto", _ONE_SIZE),
    "correction.threshold": (lambda profile: profile.correction.accept == "exact", _EXACT),
    "correction.temperature": (lambda profile: profile.correction.accept == "exact", _EXACT),
}


def idle(key: str, profile: Profile) -> Idle | None:
    """Why ``key`` has no effect in ``profile``; None if it has one."""
    if key == "draft.keep":
        return _idle_keep(profile.draft)
    holds, found = _RULES.get(key, (lambda _: False, None))
    return found if holds(profile) else None


def _idle_keep(draft: DraftSpec) -> Idle | None:
    if draft.keeps:
        return _BY_LAYER
    return _DENSE if draft.method == "dense" else None


def refuse_idle_flags(resolved: ResolvedProfile) -> None:
    """Refuse flags without effect. Variables and files may wait for a profile that can use them.

    Raises:
        UsageError: for the first one.
    """
    for key, origin in resolved.origins.items():
        if origin.startswith("flag ") and (found := idle(key, resolved.profile)):
            raise UsageError(
                f"{origin.removeprefix('flag ')} has no effect in the profile {resolved.profile.name}: {found.reason}",
                found.hint,
            )
