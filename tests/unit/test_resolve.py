"""Who has the last word on a profile's value: flag, environment, file, default."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.config.faults import ProfileError
from sirius_cli.config.files import FIELDS
from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.profile import Profile

FLAG = {"draft.keep": (0.1, "flag --keep")}
ENV = {"SIRIUS_KEEP": "0.2"}


@pytest.fixture(autouse=True)
def no_own_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))


def test_the_default_profile_is_lossless() -> None:
    profile = resolve_profile(None, {}, {}).profile
    assert (profile.name, profile.draft.words) == ("exact", "dense int4 g32 lookup 3")
    assert profile.correction.accept == "exact"
    assert profile.corrects


def test_sirius_has_the_papers_setting() -> None:
    profile = resolve_profile("sirius", {}, {}).profile
    assert (profile.draft.method, profile.draft.keep) == ("coarse", 0.5)
    assert (profile.correction.window, profile.correction.accept) == (16, "likelihood")
    assert (profile.correction.threshold, profile.correction.temperature) == (0.1, 0.6)


def test_the_variable_names_the_profile_and_the_flag_beats_it() -> None:
    env = {"SIRIUS_PROFILE": "turbo"}
    assert resolve_profile(None, {}, env).profile.name == "turbo"
    assert resolve_profile(None, {}, env, "sirius").profile.name == "turbo"
    assert resolve_profile("dense", {}, env).profile.name == "dense"
    assert resolve_profile(None, {}, {}, "sirius").profile.name == "sirius"


@pytest.mark.parametrize("name", ["exact", "turbo"])
def test_another_method_over_a_copy_leaves_neurons_out(name: str) -> None:
    draft = resolve_profile(name, {"draft.method": ("coarse", "flag --method")}, {}).profile.draft
    assert (draft.keep, draft.native_dense) == (0.5, False)


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("env", [True, False])
@pytest.mark.parametrize("file", [True, False])
def test_precedence(tmp_path: Path, flag: bool, env: bool, file: bool) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("draft:\n  keep: 0.3\n" if file else "{}")
    resolved = resolve_profile(str(path), FLAG if flag else {}, ENV if env else {})
    offers = [
        (flag, 0.1, "flag --keep"),
        (env, 0.2, "env SIRIUS_KEEP"),
        (file, 0.3, f"{path}:2"),
        (True, 0.5, "default"),
    ]
    expected = next((value, origin) for given, value, origin in offers if given)
    assert (resolved.profile.draft.keep, resolved.origins["draft.keep"]) == expected


@given(st.sets(st.sampled_from(FIELDS)))
def test_every_value_has_its_origin(fields: set[str]) -> None:
    values = {
        "draft.method": "fine",
        "draft.keep": 1,
        "draft.layers": "0.75+2x0.5",
        "draft.refresh": 2,
        "draft.decay": 0.9,
        "draft.precision": "int4",
        "draft.group": 128,
        "draft.int8": "head",
        "draft.lookup": 3,
        "draft.tree_width": 4,
        "draft.tree_split": 0.2,
        "correction.enabled": False,
        "correction.window": 3,
        "correction.plan_for": "read",
        "correction.confidence": 0.5,
        "correction.accept": "exact",
        "correction.threshold": 0,
        "correction.temperature": 2.5,
    }
    resolved = resolve_profile("sirius", {key: (values[key], f"flag {key}") for key in fields}, {})
    assert resolved.origins.keys() == set(FIELDS)
    for key in FIELDS:
        section, _, name = key.partition(".")
        if key in fields:
            assert getattr(getattr(resolved.profile, section), name) == values[key]
            assert resolved.origins[key] == f"flag {key}"
        else:
            assert resolved.origins[key].startswith("profiles/sirius.yaml:")


def test_every_variable_is_heard() -> None:
    env = {
        "SIRIUS_METHOD": "fine",
        "SIRIUS_KEEP": "1",
        "SIRIUS_DRAFT_LAYERS": "0.5+0.5+1.0",
        "SIRIUS_REFRESH": "2",
        "SIRIUS_DECAY": "0.9",
        "SIRIUS_DRAFT_PRECISION": "int8",
        "SIRIUS_DRAFT_GROUP": "64",
        "SIRIUS_DRAFT_INT8": "down+head",
        "SIRIUS_DRAFT_LOOKUP": "4",
        "SIRIUS_TREE_WIDTH": "8",
        "SIRIUS_TREE_SPLIT": "0.2",
        "SIRIUS_WINDOW": "auto",
        "SIRIUS_PLAN_FOR": "read",
        "SIRIUS_CONFIDENCE": "0.5",
        "SIRIUS_ACCEPT": "exact",
        "SIRIUS_THRESHOLD": "0.25",
        "SIRIUS_ACCEPT_TEMPERATURE": "1e0",
        "SIRIUS_NO_CORRECTION": "1",
    }
    resolved = resolve_profile(None, {}, env)
    assert set(resolved.origins.values()) == {f"env {name}" for name in env}
    assert resolved.profile.draft.model_dump() == {
        "method": "fine",
        "keep": 1.0,
        "layers": "2x0.5+1",
        "refresh": 2,
        "decay": 0.9,
        "precision": "int8",
        "group": 64,
        "int8": "head+down",
        "lookup": 4,
        "tree_width": 8,
        "tree_split": 0.2,
    }
    correction = {
        "enabled": False,
        "window": "auto",
        "plan_for": "read",
        "confidence": 0.5,
        "accept": "exact",
        "threshold": 0.25,
        "temperature": 1.0,
    }
    assert resolved.profile.correction.model_dump() == correction


@pytest.mark.parametrize("text", ["", "0", "false", "No"])
def test_a_false_no_correction_changes_nothing(text: str) -> None:
    assert resolve_profile(None, {}, {"SIRIUS_NO_CORRECTION": text, "SIRIUS_KEEP": ""}) == resolve_profile(None, {}, {})


def test_faults_of_overrides_name_the_flag_or_the_variable() -> None:
    overrides = {"draft.keep": (0.0, "flag --keep"), "correction.accept": ("maybe", "flag --accept")}
    env = {"SIRIUS_WINDOW": "0", "SIRIUS_THRESHOLD": "high", "SIRIUS_KEEP": "7"}
    with pytest.raises(ProfileError) as caught:
        resolve_profile(None, overrides, env)
    assert sorted(map(str, caught.value.faults)) == [
        "--accept: correction.accept: must be 'exact' or 'likelihood', not 'maybe'",
        "--keep: draft.keep: must be greater than 0, not 0.0",
        "SIRIUS_THRESHOLD: correction.threshold: must be a valid number, not 'high'",
        "SIRIUS_WINDOW: correction.window: must be auto or a whole number from 1 to 256, not 0",
    ]
    assert "\n" not in str(caught.value)


def test_an_override_of_no_field_is_a_bug() -> None:
    with pytest.raises(KeyError, match=r"draft\.kep"):
        resolve_profile(None, {"draft.kep": (0.1, "flag --kep")}, {})


def test_a_profile_is_frozen_and_a_dense_one_is_never_checked() -> None:
    assert not resolve_profile("dense", {"correction.enabled": (True, "flag")}, {}).profile.corrects
    assert resolve_profile("exact", {}, {}).profile.corrects
    with pytest.raises(ValueError, match="frozen"):
        Profile().name = "other"
