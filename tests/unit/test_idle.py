"""Flags that would change nothing are refused, with what to type; each is taken where it has an effect."""

from typing import Any

import pytest

from sirius_cli.config.files import FIELDS
from sirius_cli.config.idle import idle, refuse_idle_flags
from sirius_cli.config.resolve import resolve_profile
from sirius_cli.errors import UsageError


def check(name: str, env: dict[str, str] | None = None, **flags: Any) -> None:
    overrides = {key.replace("_", ".", 1): (value, f"flag --{key}") for key, value in flags.items()}
    refuse_idle_flags(resolve_profile(name, overrides, env or {}))


@pytest.mark.parametrize(
    ("name", "flags", "hint"),
    [
        ("exact", {"draft_keep": 0.4}, "add --method coarse, or choose --profile sirius"),
        ("sirius-fine", {"draft_refresh": 1}, "add --method coarse, or choose --profile sirius"),
        ("exact", {"draft_decay": 0.9}, "add --method coarse, or choose --profile sirius"),
        ("sirius-fine", {"draft_layers": "24x0.5"}, "add --method coarse, or choose --profile sirius"),
        ("sirius", {"draft_group": 64}, "add --draft-precision int4, or choose --profile exact"),
        ("sirius", {"draft_int8": "head"}, "add --draft-precision int4, or choose --profile exact"),
        ("dense", {"draft_tree_width": 4}, "add --method coarse, or choose --profile sirius"),
        ("exact", {"correction_threshold": 0.3}, "add --accept likelihood, or choose --profile sirius"),
        ("exact", {"correction_temperature": 0.3}, "add --accept likelihood, or choose --profile sirius"),
    ],
)
def test_what_has_no_effect_is_refused_and_the_hint_helps(name: str, flags: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=f"has no effect in the profile {name}") as refused:
        check(name, **flags)
    assert refused.value.hint == hint
    check(hint.split()[-1], **flags)
    (key,) = (key.replace("_", ".", 1) for key in flags)
    found = idle(key, resolve_profile(name, {}, {}).profile)
    assert found is not None
    field = {"method": "draft_method", "draft-precision": "draft_precision", "accept": "correction_accept"}
    check(name, **flags, **{field[found.setting]: found.value})


@pytest.mark.parametrize("name", ["exact", "exact-small", "turbo", "sirius", "sirius-fine", "coarse", "dense"])
def test_windows_and_rules_always_have_one(name: str) -> None:
    check(name, correction_window=8, correction_confidence=0.5, correction_accept="likelihood")


def test_variables_wait_for_a_profile_that_can_use_them() -> None:
    check("exact", {"SIRIUS_KEEP": "0.4", "SIRIUS_THRESHOLD": "0.3"})


def test_what_a_profile_says_itself_is_no_mistake() -> None:
    profile = resolve_profile("dense", {}, {})
    assert any(idle(key, profile.profile) for key in FIELDS)
    refuse_idle_flags(profile)


def test_a_chain_splits_nowhere() -> None:
    with pytest.raises(UsageError, match="a chain is one path") as refused:
        check("sirius", draft_tree_split=0.2)
    assert refused.value.hint == "add --tree-width 4"
    check("sirius", draft_tree_split=0.2, draft_tree_width=4)


def test_one_keep_has_no_effect_beside_those_by_layer() -> None:
    with pytest.raises(UsageError, match="every layer has a keep of its own") as refused:
        check("sirius", draft_layers="24x0.5", draft_keep=0.4)
    assert refused.value.hint == "add --draft-layers none, or choose --profile sirius"
    check("sirius", draft_layers="none", draft_keep=0.4)
