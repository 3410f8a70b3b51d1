"""Every written form holds the facts, and nothing in a trace can break out of it."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from correction_streams import HEADER, answer, branched, copied, inspection
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.events import Drafted, StepEvent
from sirius_cli.services.inspection.comparison import compare
from sirius_cli.services.inspection.facts import Inspection
from sirius_cli.services.inspection.reports import document, page, picture, tables
from sirius_cli.services.inspection.selection import select
from sirius_cli.services.reports import axes, csv_file, markdown, palette

EVIL = [
    "<script>alert(1)</script>",
    '" onmouseover="x',
    "'><img src=x onerror=y>",
    "&lt;b&gt;",
    "\x1b[2J",
    "|a|*b*",
    "=1+1",
]
VOID = {"meta", "link", "br", "img", "input", "hr", "rect", "path", "polyline"}


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
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> Inspection:
    words = ["A", *EVIL, *EVIL]
    header = replace(HEADER, model=EVIL[2], device=EVIL[0])
    return inspection(answer(words, {3: EVIL[0], 9: EVIL[1]}), name=EVIL[1], header=header)


def test_the_page_holds_text_corrections_and_charts() -> None:
    found = inspection()
    checked = Checker(page.render(found, found.corrections))
    assert " A train leaves at 9 and runs" in checked.text
    assert checked.tags.count("mark") == len(found.corrections) + 2  # the legend, twice
    assert checked.tags.count("svg") == 4
    anchors = {value for name, value in checked.attributes if name == "id"}
    links = {value.removeprefix("#") for name, value in checked.attributes if name == "href"}
    assert links == anchors
    assert len(links) == len(found.corrections)


def test_nothing_in_a_trace_becomes_markup_of_the_page() -> None:
    found = hostile()
    text = page.render(found, found.corrections, compare(found, found))
    checked = Checker(text)
    assert checked.tags.count("script") == 1
    assert "img" not in checked.tags
    assert not [name for name, _ in checked.attributes if name.startswith("on")]
    assert "\x1b" not in text
    assert "alert(1)" in checked.text


def test_the_page_needs_no_network() -> None:
    found = inspection()
    text = page.render(found, found.corrections)
    assert not [name for name, _ in Checker(text).attributes if name in ("src", "srcset", "action")]
    assert re.sub('xmlns="http://www.w3.org/2000/svg"', "", text).count("://") == 0
    assert "@import" not in text
    assert "url(" not in text


@given(st.lists(st.text(max_size=12), min_size=4, max_size=12))
def test_any_text_gives_a_page_and_a_picture_that_parse(words: list[str]) -> None:
    found = inspection(answer(words, {2: words[0]}), name=words[1], header=replace(HEADER, model=words[2]))
    assert Checker(page.render(found, found.corrections)).tags.count("script") == 1
    ElementTree.fromstring(picture.render(found).encode(errors="backslashreplace"))
    markdown.render("x", tables.about(found), tables.all_tables(found, found.corrections))


def test_the_picture_is_one_svg_with_text_and_charts() -> None:
    root = ElementTree.fromstring(picture.render(inspection()))
    spans = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}tspan")]
    assert " ".join(spans).startswith("A train leaves at 9 and runs")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 5


def test_a_long_text_is_cut_in_the_picture_and_says_so() -> None:
    found = inspection(*(answer() for _ in range(30)))
    assert "more lines" in picture.render(found)


def test_csv_reads_back_and_starts_no_formula() -> None:
    found = hostile()
    text = csv_file.render(tables.detailed_table(found.corrections))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["index"]) for row in rows] == [c.index for c in found.corrections]
    for row, correction in zip(rows, found.corrections, strict=True):
        assert row["draft"].removeprefix("'") == correction.draft
        assert float(row["p"]) == correction.p


@given(st.text(max_size=20))
def test_a_guarded_cell_is_no_formula_and_reads_back(text: str) -> None:
    guarded = csv_file.guarded(text)
    assert isinstance(guarded, str)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert guarded.removeprefix("'") == text
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerow([guarded])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [guarded]


def test_numbers_of_a_csv_are_not_guarded() -> None:
    assert csv_file.guarded(-0.5) == -0.5


def test_markdown_takes_no_text_for_markup() -> None:
    found = hostile()
    text = markdown.render("Corrections", tables.about(found), tables.all_tables(found, found.corrections))
    assert re.search(r"(?<!\\)<(script|img)", text) is None
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if "alert" in line and line[0] == "|"}
    assert widths <= {len(tables.CORRECTION_COLUMNS[1:]) + 1, 6}


def test_what_was_looked_up_is_told_where_anything_was() -> None:
    found, without = inspection(copied()), inspection()
    figures, corrections = tables.figures_table(found), tables.corrections_table(found.corrections)
    assert dict(zip([c.name for c in figures.columns], figures.rows[0], strict=True))["looked_up"] == 0.25
    assert (corrections.columns[-1].name, corrections.rows[0][-1]) == ("source", "lookup")
    assert all(column.name != "looked_up" for column in tables.figures_table(without).columns)
    assert all(column.name != "source" for column in tables.corrections_table(without.corrections).columns)
    assert '<span class="lookup"> c</span>' in page.render(found, found.corrections)
    assert 'class="lookup">c</tspan>' in picture.render(found)
    assert document.inspection_to_json(found, found.corrections)["corrections"][0]["source"] == "lookup"
    assert select(found.corrections, ["source=lookup"]) == found.corrections
    assert select(found.corrections, ["source=draft"]) == ()


def test_nodes_are_told_where_there_was_a_tree() -> None:
    found = inspection(branched())
    table = tables.corrections_table(found.corrections)
    assert (table.columns[-1].name, table.rows[0][-1]) == ("nodes", 6)
    assert all(column.name != "nodes" for column in tables.corrections_table(inspection().corrections).columns)
    assert document.inspection_to_json(found, found.corrections)["corrections"][0]["nodes"] == 6
    assert select(found.corrections, ["nodes>5"]) == found.corrections


def test_json_holds_every_fact() -> None:
    found = inspection()
    data = document.inspection_to_json(found, found.corrections, compare(found, found))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["schema_version"] == 1
    assert len(data["corrections"]) == len(found.corrections)
    assert data["corrections"][0]["class"] == "number"
    assert data["against"]["paired_by"] == "prompt length"
    assert data["metrics"]["aal"] == data["runs"][0]["requests"][0]["metrics"]["aal"]


def test_figures_that_are_no_numbers_break_no_report() -> None:
    def forged() -> list[StepEvent]:
        return [replace(e, density=float("nan")) if isinstance(e, Drafted) else e for e in answer()]

    found = inspection(forged())
    json.dumps(document.inspection_to_json(found, found.corrections), allow_nan=False)
    Checker(page.render(found, found.corrections))
    ElementTree.fromstring(picture.render(found))


def test_a_run_without_answers_gives_every_report() -> None:
    empty = inspection([])
    assert "None." in page.render(empty, ())
    ElementTree.fromstring(picture.render(empty))
    assert document.inspection_to_json(empty, ())["corrections"] == []
    assert csv_file.render(tables.detailed_table(())).startswith('"run","request"')


@pytest.mark.parametrize("top", [0.07, 1, 3.2, 15, 99, 12345])
def test_ticks_are_few_and_reach_the_top(top: float) -> None:
    marks = axes.ticks(top)
    assert marks[0] == 0
    assert marks[-1] >= top * 0.998
    assert 3 <= len(marks) <= 8


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_text_has_enough_contrast(colours: dict[str, str]) -> None:
    on = {"ink": ("paper", "panel"), "soft": ("paper", "panel"), "orange": ("paper", "panel", "mark")}
    on |= {"blue": ("paper",), "green": ("paper", "panel")}
    for name, papers in on.items():
        assert all(_contrast(colours[name], colours[paper]) >= 4.5 for paper in papers), name


def _contrast(one: str, other: str) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
