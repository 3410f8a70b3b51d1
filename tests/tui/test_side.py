"""The right-hand side: windows, layers and figures as lines; the widgets draw what is new, in ASCII and in any size."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import ComposeResult
from textual.geometry import Size

from sirius_cli.tui.flow import Line
from sirius_cli.tui.panel import Figures, Panel, Point, WindowCell
from sirius_cli.tui.themed_app import ThemedApp
from sirius_cli.tui.widgets.acceptance_strip import (
    BARS,
    LETTERS,
    AcceptanceStrip,
    legend,
    outcome,
    strip_line,
    strip_lines,
)
from sirius_cli.tui.widgets.figures import BLOCKS, HASHES, Shown, summary, table
from sirius_cli.tui.widgets.layer_activity import activity_lines, bars
from sirius_cli.tui.widgets.lines import Lines
from sirius_cli.tui.widgets.side import Brief, Side

WHOLE = WindowCell(1, 15, 15, 16, False, False)
COPIED = WindowCell(1, 15, 15, 16, False, False, looked_up=9)
LAST_ONE = WindowCell(2, 15, 14, 15, True, False)
HALF = WindowCell(3, 15, 8, 9, True, False)
NOTHING_LEFT = WindowCell(4, 15, 0, 1, True, True)
FIGURES = Figures(
    "SmolLM2-135M",
    "coarse 50%",
    "likelihood 0.1",
    16,
    7.25,
    0.042,
    119.6,
    312,
    31.24,
    0.621,
    0.58,
    400,
    8192,
    1_200_000_000,
)
EIGHTHS = " ▁▂▃▄▅▆▇█"
PANEL = Panel(
    read=(Point(1, 0.5), Point(300, 0.6)),
    rate=(Point(1, 20.0), Point(300, 31.0)),
    dense_rate=17.0,
    windows=(WHOLE, LAST_ONE, HALF, NOTHING_LEFT) * 20,
    activity=tuple(0.01 * layer for layer in range(1, 31)),
    figures=FIGURES,
)


def text(lines: Sequence[Line]) -> list[str]:
    return ["".join(run.text for run in line) for line in lines]


def test_what_became_of_windows() -> None:
    assert [outcome(cell) for cell in (WHOLE, COPIED, LAST_ONE, HALF, NOTHING_LEFT)] == [
        "accepted",
        "lookup",
        "corrected",
        "rewound",
        "rewound",
    ]
    assert outcome(WindowCell(1, 15, 14, 14, False, False)) == "rewound"


@pytest.mark.parametrize(("signs", "expected"), [(BARS, "█▓▆▃▁"), (LETTERS, "=lcrr")])
def test_outcomes_differ_by_shape(signs: object, expected: str) -> None:
    line = strip_line((WHOLE, COPIED, LAST_ONE, HALF, NOTHING_LEFT), 10, signs)  # type: ignore[arg-type]
    assert text([line]) == [expected]


def test_the_newest_windows_stand_at_the_right() -> None:
    cells = (LAST_ONE,) * 30 + (WHOLE,) * 2
    assert text([strip_line(cells, 5, LETTERS)]) == ["ccc=="]
    assert text([strip_line(cells, 5, LETTERS, back=2)]) == ["ccccc"]


@given(st.integers(0, 80), st.integers(38, 120))
def test_the_legend_fits_and_counts_where_it_can(count: int, width: int) -> None:
    (line,) = text([legend((WHOLE, HALF) * count, width, BARS)])
    assert len(line.rstrip()) <= width
    assert all(name in line for name in ("accepted", "corrected", "rewound"))
    assert width < 50 or f"accepted {count}" in line


@given(st.integers(1, 80), st.integers(41, 120))
def test_the_legend_names_look_ups_once_there_are_any(count: int, width: int) -> None:
    (line,) = text([legend((WHOLE, COPIED, HALF) * count, width, BARS)])
    assert len(line.rstrip()) <= width
    assert all(name in line for name in ("accepted", "lookup", "corrected", "rewound"))
    assert width < 60 or f"lookup {count}" in line
    assert "lookup" not in text([legend((WHOLE, HALF) * count, width, BARS)])[0]


def test_the_strip_says_how_large_the_newest_tree_was_where_there_is_room() -> None:
    tree = WindowCell(2, 15, 9, 10, True, False, nodes=60)
    assert re.fullmatch("windows of 60 nodes, 15 deep +2", text(strip_lines((WHOLE, tree), Size(40, 3), BARS, 0))[0])
    assert text(strip_lines((WHOLE, tree), Size(40, 3), BARS, 1))[0].split() == ["windows", "1", "newer"]
    assert text(strip_lines((WHOLE, tree), Size(20, 3), BARS, 0))[0].split() == ["windows", "2"]


def test_no_windows_yet() -> None:
    title, strip, _ = text(strip_lines((), Size(40, 3), BARS, 0))
    assert title.strip() == "windows"
    assert strip == "no window was checked yet"


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=120), st.integers(4, 90), st.integers(1, 8))
def test_bars_fit_and_keep_their_order(values: list[float], width: int, rows: int) -> None:
    lines = bars(values, 1.0, width, rows, EIGHTHS)
    assert len(lines) == rows
    assert len({len(line) for line in lines}) == 1
    assert width / 2 < len(lines[0]) + 1 <= width + 1 or len(values) <= width / 2
    heights = [sum(EIGHTHS.index(line[column]) for line in lines) for column in range(len(lines[0]))]
    if len(values) <= width:
        each = heights[:: len(heights) // len(values)]
        assert [height for _, height in sorted(zip(values, each, strict=True))] == sorted(each)


def test_a_layer_that_works_at_all_is_seen() -> None:
    assert bars([0.0, 1e-6, 1.0], 1.0, 3, 1, EIGHTHS) == [" ▁█"]


def test_80_layers_fit_into_40_columns() -> None:
    lines = text(activity_lines(tuple(0.001 * layer for layer in range(1, 81)), Size(40, 6), EIGHTHS))
    assert len(lines) == 6
    assert all(len(line) <= 40 for line in lines)
    assert lines[-1].startswith("min 0.1% L1  mean 4.1%  max 8.0% L80")


def test_layers_that_nobody_has_told_of() -> None:
    assert text(activity_lines((), Size(40, 6), EIGHTHS))[1] == "told by the first check"


def test_the_table_of_figures() -> None:
    assert text(table(Shown(FIGURES, 17.0), Size(42, 9), BLOCKS)) == [
        "model      SmolLM2-135M",
        "method     coarse 50%",
        "check      likelihood 0.1, window 16",
        "tokens     312        AAL        7.2",
        "tok/s      31.2       vs dense   1.84x",
        "corrected  4.2%       TTFT       120 ms",
        "density    0.62       read       0.58",
        "context    █░░░░░░░░░ 400 of 8192",
        "memory     1.2 GB",
    ]


def test_a_plan_has_a_line_of_its_own() -> None:
    planned = replace(FIGURES, plan="drafts cost 0.29, 97 % accepted")
    lines = text(table(Shown(planned, 17.0), Size(42, 10), BLOCKS))
    assert lines[2:4] == ["check      likelihood 0.1, window 16", "plan       drafts cost 0.29, 97 % accepted"]
    assert len(lines) == 10
    assert " · drafts cost 0.29, 97 % accepted · AAL 7.2" in summary(Shown(planned, 17.0), 200)


def test_nothing_is_known_at_first() -> None:
    lines = text(table(Shown(Figures(), None), Size(42, 9), HASHES))
    assert [line.split()[-1] for line in lines] == ["-"] * 9
    assert all(line.isascii() for line in lines)
    assert summary(Shown(Figures(), None), 80) == ""


def test_a_narrow_table_has_a_line_for_each() -> None:
    assert len(table(Shown(FIGURES, None), Size(30, 20), BLOCKS)) == 13


def test_names_are_shown_and_not_obeyed() -> None:
    lines = text(table(Shown(Figures(model="a\x1b[31m[red]b\nc"), None), Size(42, 9), BLOCKS))
    assert lines[0] == "model      a␛[31m[red]b c"


@given(st.integers(0, 200))
def test_the_summary_holds_whole_facts(cells: int) -> None:
    whole = summary(Shown(FIGURES, 17.0), 200)
    assert whole == (
        "coarse 50%, window 16 · 312 tokens · 31.2 tok/s (1.84x dense) · AAL 7.2 · read 0.58 · 4.2% corrected"
        " · TTFT 120 ms"
    )
    part = summary(Shown(FIGURES, 17.0), cells)
    assert len(part) <= cells
    assert whole.startswith(part)
    assert whole == part or whole[len(part) :].startswith(" · ") or part == ""


class SideApp(ThemedApp):
    """The right-hand side alone."""

    CSS = "#side { height: 1fr; } Brief { height: auto; }"

    def __init__(self, theme: str = "night", *, ascii_only: bool = False) -> None:
        super().__init__(theme, ascii_only=ascii_only)
        self._ascii_only = ascii_only

    def compose(self) -> ComposeResult:
        yield Side(ascii_only=self._ascii_only, id="side")
        yield Brief(ascii_only=self._ascii_only)

    def show(self, panel: Panel) -> None:
        self.query_one(Side).update(panel)
        self.query_one(Brief).update(panel)

    def text(self) -> str:
        lines = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in lines)


@pytest.mark.parametrize("theme", ["night", "ember", "day", "contrast"])
@pytest.mark.parametrize("size", [(44, 40), (44, 30), (80, 22), (62, 58), (8, 4)])
def test_every_size_and_theme_draws(size: tuple[int, int], theme: str) -> None:
    async def look() -> None:
        app = SideApp(theme)
        async with app.run_test(size=size) as pilot:
            app.show(Panel())
            await pilot.pause()
            app.show(PANEL)
            await pilot.pause()
            if size != (8, 4):
                assert "effective read" in app.text()
                assert "tokens per second" in app.text()
            assert ("neurons at work" in app.text()) == (size in ((44, 40), (80, 22), (62, 58)))

    asyncio.run(look())


def test_ascii_is_all_that_is_drawn() -> None:
    async def look() -> None:
        app = SideApp(ascii_only=True)
        async with app.run_test(size=(44, 40)) as pilot:
            app.show(PANEL)
            await pilot.pause()
            assert app.text().isascii()
            assert "= accepted" in app.text()

    asyncio.run(look())


def test_only_what_is_new_is_drawn_again() -> None:
    async def look() -> None:
        app = SideApp()
        async with app.run_test(size=(44, 40)) as pilot:
            app.show(PANEL)
            await pilot.pause()
            before = [part._strips for part in app.query(Lines)]
            app.show(Panel(PANEL.read, None, PANEL.rate, 17.0, PANEL.windows, (0.5,) * 30, FIGURES))
            await pilot.pause()
            changed = [
                type(part).__name__
                for part, strips in zip(app.query(Lines), before, strict=True)
                if part._strips is not strips
            ]
            assert changed == ["LayerActivity"]

    asyncio.run(look())


def test_the_wheel_looks_back() -> None:
    async def look() -> None:
        app = SideApp()
        async with app.run_test(size=(44, 40)) as pilot:
            app.show(PANEL)
            strip = app.query_one(AcceptanceStrip)
            strip.look_back(4)
            await pilot.pause()
            assert "4 newer" in app.text()
            strip.look_back(10_000)
            await pilot.pause()
            assert f"{80 - strip.size.width} newer" in app.text()
            strip.look_back(-10_000)
            await pilot.pause()
            assert "newer" not in app.text()

    asyncio.run(look())
