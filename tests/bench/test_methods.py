"""Which methods are compared, and when two plans are the same run."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from sirius_cli.config.faults import ProfileError
from sirius_cli.config.resolve import resolve_profile
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench.quality.methods import Method, methods
from sirius_cli.services.bench.quality.plan import Plan, run_id
from sirius_cli.services.model_folder import weights_identity

SIRIUS = resolve_profile("sirius", {}, {}).profile


def test_the_usual_comparison_is_dense_the_draft_alone_and_the_profile() -> None:
    dense, draft, own = methods(None, SIRIUS)
    assert (dense.name, draft.name, own.name) == ("dense", "draft", "sirius")
    assert dense.profile.draft.method == "dense"
    assert draft.profile.draft == own.profile.draft
    assert not draft.profile.corrects
    assert own.profile == SIRIUS


def test_what_flags_change_stays_with_the_profile_at_hand() -> None:
    changed = resolve_profile("sirius", {"draft.keep": (0.3, "flag --keep")}, {}).profile
    _, draft, own = methods("dense,draft,sirius", changed)
    assert draft.profile.draft.keep == own.profile.draft.keep == 0.3


def test_a_method_may_change_values() -> None:
    (one, other, planned) = methods(
        "sirius:window=8:threshold=0.3,sirius:keep=0.4,sirius:window=auto:plan_for=read", SIRIUS
    )
    assert (one.profile.correction.window, one.profile.correction.threshold) == (8, 0.3)
    assert other.profile.draft.keep == 0.4
    assert (planned.profile.correction.window, planned.profile.correction.plan_for) == ("auto", "read")
    assert one.digest != other.digest != Method("x", SIRIUS).digest


def test_look_ups_alone_are_compared_with_dense_alone() -> None:
    only = resolve_profile("exact", {"draft.precision": ("native", ""), "draft.lookup": (3, "")}, {}).profile
    assert [method.name for method in methods(None, only)] == ["dense", "exact"]
    plain, copying = methods("exact,exact:lookup=2", SIRIUS)
    assert copying.profile.draft.lookup == 2
    assert copying.digest != plain.digest


def test_answers_of_drafts_that_were_others_in_older_versions_are_not_taken_over() -> None:
    cases = (("coarse", 1, True), ("fine", 1, False), ("dense", 1, False), ("fine", 4, True))
    for method, width, changed in cases:
        values = {"draft.method": (method, ""), "draft.tree_width": (width, "")}
        one = Method("x", resolve_profile("sirius", values, {}).profile)
        decides = one.profile.model_dump_json(include={"draft", "correction"}, exclude_defaults=True)
        assert (one.digest != sha256(decides.encode()).hexdigest()[:12]) == changed


def test_a_dense_profile_is_compared_with_nothing() -> None:
    assert [one.name for one in methods(None, resolve_profile("dense", {}, {}).profile)] == ["dense"]


@pytest.mark.parametrize(
    ("compare", "words"),
    [
        ("dense,nope", "no profile named 'nope'"),
        ("dense,dense", "names dense twice"),
        (" , ", "names no method"),
        ("sirius:widow=8", "cannot change 'widow=8'"),
        ("sirius:window", "cannot change 'window'"),
        ("draft:keep=0.4", "cannot change the draft"),
    ],
)
def test_what_cannot_be_compared_is_said(compare: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        methods(compare, SIRIUS)


def test_a_value_out_of_range_is_said() -> None:
    with pytest.raises(ProfileError, match="keep"):
        methods("sirius:keep=2", SIRIUS)


def test_draft_only_is_the_draft() -> None:
    (only,) = methods(None, SIRIUS, draft_only=True)
    assert (only.profile.draft, only.profile.corrects) == (SIRIUS.draft, False)
    with pytest.raises(UsageError, match="--draft-only"):
        methods("dense", SIRIUS, draft_only=True)


def test_a_run_is_named_by_what_decides_about_its_answers(tmp_path: Path) -> None:
    data = tmp_path / "items.jsonl"
    data.write_text('{"question": "1"}\n')
    plan = Plan(("gsm8k",), methods(None, SIRIUS), data=data)
    name = run_id(plan, "weights", "float32")
    assert name.startswith("gsm8k-")
    for same in (replace(plan, limit=3), replace(plan, batch=2), replace(plan, samples={"gsm8k": [1]})):
        assert run_id(same, "weights", "float32") == name
    others = [
        run_id(plan, "other weights", "float32"),
        run_id(plan, "weights", "bfloat16"),
        run_id(replace(plan, num_fewshot=2), "weights", "float32"),
        run_id(replace(plan, chat=True), "weights", "float32"),
        run_id(replace(plan, methods=methods("dense,sirius:keep=0.4", SIRIUS)), "weights", "float32"),
    ]
    data.write_text('{"question": "2"}\n')
    others.append(run_id(plan, "weights", "float32"))
    assert len({name, *others}) == 7


def test_weights_are_told_apart_without_reading_them(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    before = weights_identity(tmp_path)
    assert weights_identity(tmp_path) == before
    file.write_bytes(b"xy")
    assert weights_identity(tmp_path) != before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks": ()}, "names no task"),
        ({"limit": 0}, "limit cannot be 0"),
        ({"batch": 0}, "batch cannot be 0"),
        ({"num_fewshot": -1}, "num-fewshot cannot be -1"),
        ({"limit": 1, "samples": {}}, "both choose items"),
        ({"multiturn": True}, "needs --apply-chat-template"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(Plan(("gsm8k",), methods(None, SIRIUS)), **change)


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*nothing.jsonl"):
        Plan(("gsm8k",), methods(None, SIRIUS), data=tmp_path / "nothing.jsonl").settings()
