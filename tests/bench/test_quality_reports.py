"""Reports of benchmarks: every form holds the figures, whatever these are, and no name can break out of it."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from bench_results import DENSE, DRAFT, SIRIUS, corrected, generating, method, result, results, scoring, unlike
from hypothesis import HealthCheck, given, settings

from sirius_cli.core.profile import DraftSpec
from sirius_cli.core.statistics import Summary
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.bench.quality.reports import (
    render,
    render_comparison,
    result_from_json,
    result_to_json,
    shortfalls,
    tables,
)
from sirius_cli.services.bench.quality.reports.comparison import compare
from sirius_cli.services.bench.quality.results import BenchResult, Interval

FORMS = ("table", "md", "csv", "json", "html")
VOID = {"meta", "br", "rect", "path", "circle"}
EVIL = '<img src="http://x.y/z" onerror=alert(1)>\x1b[2J|"&\n# x'


class Checker(HTMLParser):
    """Collects tags, attributes and text, and refuses what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> BenchResult:
    methods = (method(EVIL, DENSE, 0.5), corrected(EVIL + "2", SIRIUS, 0.4, 0.7))
    task = replace(generating(), task=EVIL, metric=EVIL, methods=methods)
    return result(task, run=EVIL, model=EVIL, device=EVIL, settings={EVIL: EVIL}, versions={EVIL: EVIL}, complete=False)


def forged() -> BenchResult:
    """Figures that are no numbers."""
    nan, inf = math.nan, math.inf
    odd = replace(
        corrected("sirius", SIRIUS, 0.5, 0.7), score=nan, stderr=inf, recovery=-inf, effective_density=nan,
        difference=Interval(0.1, nan, 0.2), aal_by_request=Summary(1, nan, 0, 0, 0, 0),
    )  # fmt: skip
    task = replace(generating(), methods=(method("dense", DENSE, inf), odd), scores={"a": {"b": nan, "c": 1.0}})
    return result(task)


def test_the_table_says_everything_of_a_method() -> None:
    lines = render(result(), "table").splitlines()
    assert lines[0] == "gsm8k: exact_match,flexible-extract, 5-shot, 200 items"
    assert lines[1].split("  ")[0] == "METHOD"
    cells = [re.split(r" {2,}", line) for line in lines[1:7]]
    assert cells[0] == [
        "METHOD", "SCORE", "DIFFERENCE", "RECOVERY", "AAL", "DENSITY", "READ", "CORRECTED", "LENGTH", "SAME AS DENSE",
        "SECONDS",
    ]  # fmt: skip
    assert cells[1][:6] == ["dense", "0.585 ± 0.035", "-", "-", "-", "1.000"]
    assert cells[3][:4] == ["sirius", "0.575 ± 0.035", "-0.010 [-0.050, +0.027]", "91.3%"]
    assert cells[3][7] == "4.1%"
    assert re.fullmatch(r"131 of 200 \(\d+(\.5)?\)", cells[3][9])
    assert cells[4][9:] == ["200 of 200", "412.2"]
    below = "\n".join(lines[12:])
    for fact in (
        "run       gsm8k-3f9a27c1d0",
        "model     meta-llama",
        "device    cpu",
        "dtype     float32",
        "bootstrap",
    ):
        assert fact in below
    assert "unfinished" not in below
    assert max(map(len, lines[12:])) <= 100


@pytest.mark.parametrize("form", ["table", "md", "html", "csv", "svg"])
def test_an_incomplete_run_says_so(form: str) -> None:
    assert "unfinished" in render(result(complete=False), form)
    assert "unfinished" not in render(result(), form)


def test_a_heading_tells_which_way_is_better_and_how_many_items_there_were() -> None:
    fewer = replace(generating().methods[1], items=1)
    task = replace(generating(), higher_is_better=False, methods=(generating().methods[0], fewer))
    assert render(result(task), "table").startswith(
        "gsm8k: exact_match,flexible-extract (lower is better), 5-shot, 1 to 200 items\n"
    )


def test_csv_has_a_line_for_each_task_and_method() -> None:
    rows = list(csv.DictReader(io.StringIO(render(result(), "csv"))))
    assert [(row["task"], row["method"]) for row in rows[::5]] == [("gsm8k", "dense"), ("arc_easy", "dense")]
    assert len(rows) == 7
    assert {row["state"] for row in rows} == {"complete"}
    sirius = generating().methods[2]
    assert float(rows[2]["score"]) == sirius.score
    assert float(rows[2]["difference_low"]) == sirius.difference.low  # type: ignore[union-attr]
    assert rows[2]["same"] == "131"
    assert rows[0]["difference"] == rows[0]["first_difference_median"] == ""


def test_markdown_is_tables_and_nothing_else() -> None:
    text = render(hostile(), "md")
    assert re.search(r"(?<!\\)<img", text) is None
    rows = [line for line in text.splitlines() if line.startswith("|") and "score" in line]
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|") and "200" in line}
    assert bars == {len(re.findall(r"(?<!\\)\|", rows[0]))}
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]


@given(results)
def test_any_result_reads_back(made: BenchResult) -> None:
    text = render(made, "json")
    assert result_from_json(json.loads(text)) == made


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(results)
def test_any_result_has_every_report(made: BenchResult) -> None:
    for form in FORMS:
        assert render(made, form).endswith("\n")
        assert render_comparison(made, made, form).endswith("\n")
    checked = Checker(render(made, "html"))
    assert {tag for tag in checked.tags if tag in ("script", "img")} == set()
    assert not re.search(r"\bnan\b", render(made, "table"))


def test_look_ups_have_a_column_where_any_method_makes_them() -> None:
    task = result().tasks[0]
    assert "looked_up" not in [column.name for column in tables.task_table(task).columns]
    profile = SIRIUS.model_copy(update={"draft": DraftSpec(lookup=3)})
    copying = replace(task.methods[-1], profile=profile, looked_up=0.25)
    table = tables.task_table(replace(task, methods=(*task.methods[:-1], copying)))
    place = [column.name for column in table.columns].index("looked_up")
    assert [row[place] for row in table.rows] == [*[None] * (len(task.methods) - 1), 0.25]
    assert tables.flattened(profile)["draft.lookup"] == "3"
    assert "draft.lookup" not in tables.flattened(SIRIUS)


def test_the_document_has_what_was_promised() -> None:
    data = result_to_json(result())
    assert (data["schema_version"], data["run"]) == (1, "gsm8k-3f9a27c1d0")
    sirius = data["tasks"][0]["methods"][2]
    assert set(sirius) == {
        "method", "items", "score", "stderr", "difference", "recovery", "aal", "aal_by_request", "draft_density",
        "effective_density", "effective_read", "corrected_fraction", "mean_length", "agreement", "seconds", "advances",
        "lengths", "truncated", "profile", "looked_up",
    }  # fmt: skip
    assert set(sirius["difference"]) == {"value", "low", "high"}
    assert sirius["profile"]["draft"]["keep"] == 0.5
    assert data["tasks"][1]["methods"][1]["effective_density"] is None


def test_figures_that_are_no_numbers_break_no_report() -> None:
    data = json.loads(render(forged(), "json"))
    method = data["tasks"][0]["methods"][1]
    assert [method[name] for name in ("score", "stderr", "recovery", "difference", "aal_by_request")] == [None] * 5
    assert data["tasks"][0]["scores"] == {"a": {"c": 1.0}}
    for form in FORMS:
        assert not re.search(r"\b(nan|inf)\b", re.sub(r"<style>.*</style>", "", render(forged(), form), flags=re.S))


def _spoilt(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = result_to_json(result())
    change(data)
    return data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([], "it has no schema_version"),
        ({}, "it has no schema_version"),
        (_spoilt(lambda data: data.pop("schema_version")), "it has no schema_version"),
        (_spoilt(lambda data: data.update(schema_version=2)), "has schema_version 2, this program reads 1"),
        (_spoilt(lambda data: data.update(schema_version=[])), "has schema_version [], this program reads 1"),
        (_spoilt(lambda data: data.pop("model")), "is broken at model: Field required"),
        (_spoilt(lambda data: data["tasks"][0]["methods"][1].update(score="a")), "at tasks.0.methods.1.score"),
        (_spoilt(lambda data: data["tasks"][0]["methods"][1]["profile"].update(more=1)), "methods.1.profile.more"),
        (_spoilt(lambda data: data["tasks"][0]["methods"][1].update(score=math.inf)), "a number out of range"),
        (_spoilt(lambda data: data["tasks"][0]["methods"][1].update(lengths=[10**30])), "a number out of range"),
        (_spoilt(lambda data: data.update(more=json.loads("[" * 500 + "]" * 500))), "nested too deeply"),
    ],
)
def test_a_broken_or_newer_document_is_one_line(data: object, told: str) -> None:
    with pytest.raises(ModelError, match=re.escape(told)) as caught:
        result_from_json(data, "results.json")
    assert str(caught.value).startswith("results.json ")


def test_the_page_has_charts_tables_and_profiles() -> None:
    checked = Checker(render(result(), "html"))
    assert checked.tags.count("svg") == 6
    assert checked.tags.count("table") == 3
    assert checked.tags.count("details") == 1
    assert checked.tags.count("circle") == 4 + 4 + 1 + 1
    labels = [value for name, value in checked.attributes if name == "aria-label"]
    assert labels[:4] == [
        "Score against effective density", "Difference in score, and its interval of 95 %", "Advance per check",
        "Length of answers",
    ]  # fmt: skip
    assert labels[4] == "Score"
    assert "sirius:keep=0.4" in checked.text
    assert "correction window" in checked.text


@pytest.mark.parametrize("text", [render(result(), "html"), render_comparison(result(), unlike(), "html")])
def test_pages_need_no_network_and_no_script(text: str) -> None:
    checked = Checker(text)
    assert not [name for name, _ in checked.attributes if name in ("src", "srcset", "href", "action")]
    assert re.sub('xmlns="http://www.w3.org/2000/svg"', "", text).count("://") == 0
    assert "url(" not in text
    assert "@import" not in text
    assert "script" not in checked.tags


@pytest.mark.parametrize("form", FORMS)
def test_no_name_breaks_out(form: str) -> None:
    for text in (render(hostile(), form), render_comparison(hostile(), hostile(), form)):
        if form not in ("csv",):  # a file of raw data: the terminal is guarded by whoever writes there
            assert "\x1b" not in text
        if form == "html":
            checked = Checker(text)
            assert "img" not in checked.tags
            assert not [name for name, _ in checked.attributes if name.startswith("on")]


@pytest.mark.parametrize("made", [result(), hostile(), forged()])
def test_the_picture_is_sound_and_has_the_charts_of_the_page(made: BenchResult) -> None:
    text = render(made, "svg")
    root = ElementTree.fromstring(text)
    charts = [element for element in root.iter() if element.get("class") == "chart"]
    assert len(charts) == render(made, "html").count('class="chart"')
    bottom = float(root.get("height", 0))
    assert bottom == float(root.get("viewBox", "").split()[3]) > 300
    assert "var(" not in text
    assert "\x1b" not in text


def test_a_comparison_has_no_picture() -> None:
    with pytest.raises(UsageError, match="there is no format 'svg'"):
        render_comparison(result(), result(), "svg")


def test_a_spreadsheet_runs_nothing() -> None:
    formula = result(replace(generating(), task="=1+1"))
    assert next(csv.DictReader(io.StringIO(render(formula, "csv"))))["task"] == "'=1+1"


def test_labels_of_the_chart_cover_neither_each_other_nor_the_points() -> None:
    near = [corrected(f"method {n}", SIRIUS, 0.5 + n / 1000, 0.7 + n / 500) for n in range(4)]
    text = render(result(replace(generating(), methods=(method("dense", DENSE, 0.6), *near))), "html")
    chart = text.split("<svg", 2)[1]
    places = re.findall(r'<text class="name" x="([\d.]+)" y="([\d.]+)"', chart)
    assert len(set(places)) == 4


def test_there_is_no_other_form() -> None:
    with pytest.raises(UsageError, match="there is no format 'pdf'; give one of table, md, csv, json, html"):
        render(result(), "pdf")
    with pytest.raises(UsageError):
        render_comparison(result(), result(), "pdf")


def test_runs_are_compared_method_by_method() -> None:
    found = compare(result(), unlike())
    assert [(pair.task, pair.method) for pair in found.methods] == [
        ("gsm8k", "dense"), ("gsm8k", "sirius"), ("arc_easy", "dense"), ("arc_easy", "draft"),
    ]  # fmt: skip
    sirius = found.methods[1]
    assert sirius.difference == pytest.approx(0.035)
    assert sirius.stderr == pytest.approx(math.hypot(sirius_stderr(result()), sirius_stderr(unlike())))
    assert (sirius.effective_density.a, sirius.effective_density.b) == (0.742, 0.81)
    other_metric = found.methods[2]
    assert (other_metric.difference, other_metric.stderr) == (None, None)
    assert other_metric.score.a == other_metric.score.b


def sirius_stderr(run: BenchResult) -> float:
    (stderr,) = (m.stderr for m in run.tasks[0].methods if m.method == "sirius")
    assert stderr is not None
    return stderr


def test_what_differs_between_runs_is_listed() -> None:
    differs = {setting.name: (setting.a, setting.b) for setting in compare(result(), unlike()).settings}
    assert differs["dtype"] == ("float32", "bfloat16")
    assert differs["setting chat template"] == ("True", None)
    assert differs["gsm8k: few-shot"] == ("5", "8")
    assert differs["arc_easy: metric"] == ("acc_norm,none", "acc,none")
    assert differs["sirius: draft.keep"] == ("0.5", "0.6")
    assert differs["gsm8k: items of exact"] == ("200", None)
    assert "setting seed" not in differs
    assert compare(result(), result()).settings == ()


def test_a_comparison_says_that_it_is_unpaired() -> None:
    for form in ("table", "md", "html"):
        assert "unpaired" in render_comparison(result(), unlike(), form)
    data = json.loads(render_comparison(result(), unlike(), "json"))
    assert (data["paired"], data["a"]["run"], data["b"]["run"]) == (False, "gsm8k-3f9a27c1d0", "gsm8k-77b0e2aa14")
    assert data["methods"][1]["score"] == {"a": 0.575, "b": 0.61}
    rows = list(csv.DictReader(io.StringIO(render_comparison(result(), unlike(), "csv"))))
    assert (rows[1]["run_b"], rows[1]["score_b"]) == ("gsm8k-77b0e2aa14", "0.61")
    assert rows[2]["difference"] == ""


def test_runs_without_anything_in_common_are_compared_too() -> None:
    text = render_comparison(result(generating()), result(scoring()), "table")
    assert "Methods of both, unpaired\nnone\n" in text
    assert "gsm8k: metric" in text


def test_only_corrected_methods_have_to_reach_the_threshold() -> None:
    low = replace(generating(), methods=(method("dense", DENSE, 0.1), *generating().methods[1:]))
    assert shortfalls(result(low), 0.38) == []
    assert shortfalls(result(low), 0.57) == ["gsm8k: sirius:keep=0.4 scores 0.56, below 0.57"]
    assert len(shortfalls(result(low), 0.9)) == 3


def test_a_dense_method_that_is_not_the_baseline_is_no_draft_to_judge() -> None:
    twice = replace(generating(), methods=(method("dense", DENSE, 0.1), method("again", DENSE, 0.1)))
    assert shortfalls(result(twice), 0.5) == []


def test_where_less_is_better_the_threshold_is_the_most() -> None:
    task = replace(generating(), higher_is_better=False)
    assert shortfalls(result(task), 0.6) == []
    assert shortfalls(result(task), 0.57) == [
        "gsm8k: sirius scores 0.575, above 0.57", "gsm8k: exact scores 0.585, above 0.57",
    ]  # fmt: skip


def test_a_method_without_a_score_falls_short() -> None:
    unscored = replace(corrected("sirius", SIRIUS, 0.5, 0.7), score=None)
    task = replace(generating(), methods=(method("dense", DENSE, 0.5), method("draft", DRAFT, 0.1), unscored))
    assert shortfalls(result(task), 0.0) == ["gsm8k: sirius has no score"]
    odd = replace(unscored, score=math.nan, profile=SIRIUS.model_copy(update={"draft": DraftSpec(keep=0.9)}))
    assert len(shortfalls(result(replace(task, methods=(*task.methods[:2], odd))), 0.0)) == 1
