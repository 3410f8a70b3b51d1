"""``sirius bench speed`` and ``sirius bench plan``: what they write, and what they refuse."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from correction_streams import HEADER, answer, branched, record
from test_speed_measure import FakeEngine, clock

from sirius_cli import main as entry
from sirius_cli.core.events import Checked, Committed, CommittedToken, Prefilled
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.trace import TraceHeader
from sirius_cli.services import session
from sirius_cli.services.bench import shapes
from sirius_cli.services.models import ResolvedModel

__all__ = ["clock"]

Run = Callable[..., tuple[int, str, str]]
SMALL = ("-p", "10", "-n", "6", "--depth", "4", "--check", "2,4,8,16", "-r", "2")


@pytest.fixture
def sirius(tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``sirius(*arguments)`` runs ``sirius bench`` on a fake engine."""
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> tuple[int, str, str]:
        engine = FakeEngine(clock)
        clock.round = -1
        monkeypatch.setattr(session, "find_model", lambda choice, progress: ResolvedModel(choice.model, tmp_path))
        monkeypatch.setattr(session, "load_engine", lambda found, choice, profile, progress: engine)
        monkeypatch.setattr(shapes, "load_random", lambda *arguments: engine)
        code = entry.main(["bench", *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def trace(tmp_path: Path) -> str:
    return str(record(tmp_path / "run.jsonl"))


def test_tables_show_passes_and_answers(sirius: Run) -> None:
    code, out, err = sirius("speed", *SMALL)
    assert code == 0
    passes, answers = out.split("\n\n")
    assert passes.splitlines()[0].split("  ")[0] == "TEST"
    assert [line.split("  ")[0] for line in passes.splitlines()[1:]] == [
        "prefill 10", "dense step", "coarse 0.5 step", "fine 0.5 step", "check 2", "check 4", "check 8", "check 16",
    ]  # fmt: skip
    assert [line.split()[0] for line in answers.splitlines()[1:]] == ["dense", "exact-small", "sirius"]
    assert "plain read of memory: 0.00" in err
    assert "NOTE" not in out


def test_the_document_keeps_its_fields(sirius: Run) -> None:
    code, out, _ = sirius("speed", *SMALL, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == 1
    assert {"model", "device", "dtype", "ops", "weight_bytes", "rows", "bandwidth"} <= set(document)
    old = {"name", "depth", "tokens", "milliseconds", "tokens_per_second", "over_dense", "read_bytes", "floor_share"}
    assert all(old <= set(row) for row in document["rows"])
    assert [row["name"] for row in document["end_to_end"]] == ["dense", "exact-small", "sirius"]
    assert document["missing"] == []
    assert json.loads(sirius("speed", *SMALL, "--format", "json")[1]).keys() == document.keys()


def test_lines_csv_and_markdown_hold_every_row(sirius: Run) -> None:
    lines = [json.loads(line) for line in sirius("speed", *SMALL, "--format", "jsonl")[1].splitlines()]
    assert [line["kind"] for line in lines] == ["header", *["pass"] * 8, *["end_to_end"] * 3]
    rows = list(csv.DictReader(io.StringIO(sirius("speed", *SMALL, "--format", "csv")[1])))
    assert [row["name"] for row in rows] == [line["name"] for line in lines[1:]]
    assert float(rows[-1]["latency_p99_ms"]) > float(rows[-1]["median_ms"])
    markdown = sirius("speed", *SMALL, "--format", "md")[1]
    assert markdown.startswith("# Speed\n\n- model: fake\n")
    assert len([line for line in markdown.splitlines() if line.startswith("| ")]) == 2 * 2 + 11


def test_profiles_and_windows_are_combined(sirius: Run) -> None:
    _, out, _ = sirius("speed", *SMALL, "--profile", "exact", "--profile", "sirius-fine", "--window", "2,8", "--json")
    rows = json.loads(out)["end_to_end"]
    assert [row["name"] for row in rows[1:]] == [
        f"{name}, window {window}" for name in ("exact", "sirius-fine") for window in (2, 8)
    ]
    assert [row["profile"]["correction"]["window"] for row in rows[1:]] == [2, 8, 2, 8]


def test_a_window_may_be_planned(sirius: Run) -> None:
    _, out, _ = sirius("speed", *SMALL, "--profile", "exact", "--window", "auto,2", "--json")
    rows = json.loads(out)["end_to_end"]
    assert [row["name"] for row in rows[1:]] == ["exact, window auto", "exact, window 2"]
    code, _, err = sirius("speed", *SMALL, "--window", "2,automatic")
    assert (code, err.count("\n")) == (2, 1)
    assert "give whole numbers or auto, with commas between" in err


def test_whole_answers_can_be_left_out(sirius: Run) -> None:
    code, out, _ = sirius("speed", *SMALL, "-n", "")
    assert (code, "END TO END" in out) == (0, False)


def test_a_baseline_that_is_not_here_is_a_row_that_says_why(sirius: Run) -> None:
    code, out, err = sirius("speed", *SMALL, "--baseline", "llama-cpp")
    assert code == 0
    assert "loading llama-cpp" in err
    (row,) = (line for line in out.splitlines() if line.startswith("llama-cpp"))
    assert row.endswith(("does not come from a GGUF file", "pip install llama-cpp-python"))


def test_random_weights_are_named_and_predict_with_a_trace(sirius: Run, trace: str) -> None:
    code, out, _ = sirius("speed", *SMALL, "--random-weights", "qwen2.5-1.5b")
    assert code == 0
    assert [line.endswith("random weights") for line in out.splitlines()].count(True) == 9
    assert "what random weights accept says nothing; give --advance-from TRACE" in out
    code, out, _ = sirius("speed", *SMALL, "--random-weights", "qwen2.5-1.5b", "--advance-from", trace, "--json")
    (_, predicted) = json.loads(out)["end_to_end"]
    assert predicted["name"] == "sirius as in run"
    assert predicted["note"] == "random weights; predicted from measured passes"


def test_a_plan_from_measured_costs_and_from_a_file_agree(sirius: Run, trace: str, tmp_path: Path) -> None:
    code, out, err = sirius("plan", "--advance-from", trace, "--depth", "4", "-r", "1")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["WINDOW", *map(str, range(1, 33))]
    assert "extrapolated" in out.splitlines()[-1]
    assert "the trace's own" in out.splitlines()[16]
    assert "acceptance: run of builtin:smollm2" in err
    measured = json.loads(sirius("plan", "--advance-from", trace, "--depth", "4", "--json")[1])
    (tmp_path / "costs.json").write_text(sirius("speed", *SMALL, "--check", "2,32", "--json")[1])
    code, out, _ = sirius("plan", "--advance-from", trace, "--costs", str(tmp_path / "costs.json"), "--json")
    assert code == 0
    assert [point["speedup"] for point in json.loads(out)["points"]] == pytest.approx(
        [point["speedup"] for point in measured["points"]]
    )
    assert json.loads(out)["best"]["window"] == measured["best"]["window"]


def test_a_plan_goes_no_further_than_checks_were_measured(sirius: Run, trace: str, tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(sirius("speed", *SMALL, "--check", "6", "--json")[1])
    _, out, err = sirius("plan", "--advance-from", trace, "--costs", str(tmp_path / "costs.json"))
    assert len(out.splitlines()) == 7
    assert "no check of more than 6 tokens was measured" in err
    assert "as recorded" not in err


def test_a_plan_tells_what_makes_it_too_bright(sirius: Run, tmp_path: Path) -> None:
    unsure = Profile(correction=CorrectionSpec(confidence=0.4))
    trace = record(tmp_path / "unsure.jsonl", answer(), header=TraceHeader("m", "cpu", unsure))
    _, _, err = sirius("plan", "--advance-from", str(trace), "--depth", "4", "-r", "1")
    assert "ended early below confidence 0.4" in err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["-n", "0"], 2, "decode lengths cannot be [0]; give numbers of 1 and more"),
        (["-n", "many"], 2, "--n-gen cannot be 'many'; give whole numbers with commas between"),
        (["-p", "0"], 2, "prompt lengths cannot be [0]"),
        (["-r", "0"], 2, "repetitions cannot be 0; give 1 or more"),
        (["--keep", "2"], 2, "--keep cannot be '2'"),
        (["--window", "0"], 2, "--window"),
        (["--profile", "nothing"], 2, "nothing"),
        (["--baseline", "vllm"], 2, "there is no baseline 'vllm'; give transformers, transformers-static"),
        (["--baseline", "all", "-n", ""], 2, "baselines are measured at whole answers; give --n-gen"),
        (["--depth", "99"], 2, "99 + 16 tokens do not fit the context of fake, 100"),
        (["-n", "90"], 2, "10 + 90 tokens do not fit the context of fake, 100; give a shorter --n-prompt or --n-gen"),
        (["--random-weights", "gpt-5"], 2, "there is no shape 'gpt-5'; known are smollm2-135m"),
        (["--random-weights", "qwen2.5-7b", "-m", "x"], 2, "--model needs real weights"),
        (["--random-weights", "qwen2.5-7b", "--profile", "exact"], 2, "--profile needs real weights"),
        (["--random-weights", "qwen2.5-7b", "--window", "4"], 2, "--window needs real weights"),
        (["--draft-lookup", "foo"], 2, "--draft-lookup cannot be 'foo'; give whole numbers with commas between"),
        (["--tree-width", "17"], 2, "--tree-width: draft.tree_width: must be less than or equal to 16, not 17"),
        (["--random-weights", "qwen2.5-7b", "--tree-width", "4"], 2, "--tree-width needs real weights"),
        (["--draft-lookup", "-1"], 2, "--draft-lookup: draft.lookup: must be greater than or equal to 0, not -1"),
        (["--random-weights", "qwen2.5-7b", "--draft-lookup", "4"], 2, "--draft-lookup needs real weights"),
        (["--random-weights", "qwen2.5-7b", "--baseline", "all"], 2, "--baseline needs real weights"),
        (["--advance-from", "nowhere"], 4, "there is no trace nowhere"),
        (["--json", "--format", "csv"], 2, "--json and --format csv are two forms; give one of them"),
    ],
)
def test_what_cannot_be_measured_is_refused(sirius: Run, arguments: list[str], code: int, reason: str) -> None:
    found, out, err = sirius("speed", *SMALL, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert reason in err
    assert err.count("\n") == 1


def test_profiles_and_look_ups_are_combined(sirius: Run) -> None:
    _, out, _ = sirius("speed", *SMALL, "--profile", "exact", "--window", "8", "--draft-lookup", "0,3", "--json")
    rows = json.loads(out)["end_to_end"]
    assert [row["name"] for row in rows[1:]] == ["exact, window 8, lookup 0", "exact, window 8, lookup 3"]
    assert [row["profile"]["draft"]["lookup"] for row in rows[1:]] == [0, 3]
    assert [row["looked_up"] for row in rows] == [None, None, 0.0]  # the fake engine never copies


def test_profiles_are_decoded_with_trees_of_every_width(sirius: Run) -> None:
    _, out, _ = sirius("speed", *SMALL, "--profile", "sirius", "--tree-width", "1,4", "--json")
    rows = json.loads(out)["end_to_end"]
    assert [row["name"] for row in rows[1:]] == ["sirius, tree-width 1", "sirius, tree-width 4"]
    assert [row["profile"]["draft"]["tree_width"] for row in rows[1:]] == [1, 4]


def test_a_trace_with_look_ups_predicts_nothing(sirius: Run, tmp_path: Path) -> None:
    profile = Profile(draft=DraftSpec(lookup=3))
    made = record(tmp_path / "copied.jsonl", list(answer()), header=TraceHeader("m", "cpu", profile))
    for command in (["plan"], ["speed", *SMALL]):
        code, out, err = sirius(*command, "--advance-from", str(made))
        assert (code, out) == (4, "")
        assert "were looked up" in err
        assert err.count("\n") == 1


def test_a_trace_of_trees_predicts_nothing(sirius: Run, tmp_path: Path) -> None:
    profile = Profile(draft=DraftSpec(tree_width=4))
    made = record(tmp_path / "trees.jsonl", branched(), header=TraceHeader("m", "cpu", profile))
    for command in (["plan"], ["speed", *SMALL]):
        code, out, err = sirius(*command, "--advance-from", str(made))
        assert (code, out) == (4, "")
        assert "are trees, whose acceptance says nothing of chains" in err
        assert "--tree-width 1" in err
        assert err.count("\n") == 1


def test_a_trace_without_windows_is_refused(sirius: Run, tmp_path: Path) -> None:
    events = [Prefilled(0, 0.1, 4, 0, 0.1), Committed(0, 0.1, 0, (CommittedToken(1, "a", "prefill", 0.5),))]
    dense = Profile(draft=DraftSpec(method="dense"))
    checked = [
        *events,
        Checked(0, 0.2, 1, 0, 0, True, 0.1),
        Committed(0, 0.2, 1, (CommittedToken(2, "b", "bonus", 0.5),)),
    ]
    for name, found, header in (
        ("empty", events, HEADER),
        ("short", checked, HEADER),
        ("dense", list(answer()), TraceHeader("m", "cpu", dense)),
    ):
        made = record(tmp_path / f"{name}.jsonl", found, header=header)
        for command in (["plan"], ["speed", *SMALL]):
            code, out, err = sirius(*command, "--advance-from", str(made))
            assert (code, out) == (4, "")
            assert (
                err
                == f"error: no window of {made} was drafted and checked; record one with: sirius chat --trace FILE\n"
            )


def test_a_trace_with_a_window_beyond_any_profile_is_refused(sirius: Run, tmp_path: Path) -> None:
    drafted = [Checked(0, 0.2, 1, 256, 0, True, 0.1), Committed(0, 0.2, 1, (CommittedToken(2, "b", "bonus", 0.5),))]
    made = record(tmp_path / "long.jsonl", [Prefilled(0, 0.1, 4, 0, 0.1), *drafted])
    code, out, err = sirius("speed", *SMALL, "--advance-from", str(made))
    assert (code, out) == (4, "")
    assert "a window of 256 drafted tokens" in err


def test_traces_that_were_drafted_differently_are_refused(sirius: Run, tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    record(tmp_path / "traces" / "a.jsonl")
    fine = Profile(draft=DraftSpec(method="fine"))
    record(tmp_path / "traces" / "b.jsonl", answer(), header=TraceHeader("m", "cpu", fine))
    code, _, err = sirius("plan", "--advance-from", str(tmp_path / "traces"))
    assert (code, "drafted in different ways; name one of them" in err) == (4, True)


def test_broken_costs_are_refused(sirius: Run, trace: str, tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text("{}")
    code, out, err = sirius("plan", "--advance-from", trace, "--costs", str(tmp_path / "costs.json"))
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "holds no costs: field required at model; write one with: sirius bench speed --json" in err


def test_a_plan_without_any_trace_asks_for_one(sirius: Run) -> None:
    code, _, err = sirius("plan")
    assert (code, "there is no trace in" in err) == (2, True)
