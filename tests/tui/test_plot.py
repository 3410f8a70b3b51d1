"""The line chart: every line fits, values stand at their height, the axes are round, nothing falls out of the frame."""

import math
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.tui.flow import Line
from sirius_cli.tui.panel import Panel, Point
from sirius_cli.tui.widgets.chart import chart_lines, rate, read
from sirius_cli.tui.widgets.plot import (
    ASCII,
    FINE,
    Pen,
    Plot,
    Reference,
    plot_lines,
    round_step,
    round_top,
    token_limit,
)

values = st.floats(0.0, 1000.0)
points = st.lists(st.tuples(st.integers(0, 100_000), values), max_size=40).map(
    lambda pairs: tuple(Point(tokens, value) for tokens, value in sorted(pairs))
)


def text(lines: list[Line]) -> list[str]:
    return ["".join(run.text for run in line) for line in lines]


def drawn(lines: list[Line]) -> set[tuple[int, int]]:
    """Rows and columns of the cells that the line goes through."""
    cells = set()
    for row, line in enumerate(lines):
        column = 0
        for run in line:
            cells |= {(row, column + offset) for offset in range(len(run.text)) if run.kind == "line"}
            column += len(run.text)
    return cells


@given(points, st.lists(values, max_size=2), st.integers(1, 120), st.integers(0, 30), st.sampled_from([FINE, ASCII]))
def test_whatever_is_shown_fits(
    points: tuple[Point, ...], levels: list[float], width: int, height: int, pen: Pen
) -> None:
    plot = Plot(points, [Reference(level, "dense") for level in levels])
    lines = text(plot_lines(plot, width, height, pen))
    assert not lines or (len(lines) == height and {len(line) for line in lines} == {width})
    assert pen is FINE or all(line.isascii() for line in lines)


def test_a_chart_of_40_by_10() -> None:
    plot = Plot([Point(0, 0.0), Point(32, 1.0)], [Reference(0.5, "draft")])
    assert text(plot_lines(plot, 40, 10, ASCII)) == [
        "   1+                               .--'",
        "    |                          ..-''    ",
        "    |                      .--'         ",
        "    |                  .-''             ",
        " 0.5+-------------..-''--------- draft -",
        "    |         .--'                      ",
        "    |    ..-''                          ",
        "   0+.--'                               ",
        "    ++----------+---------+----------+--",
        "     0         10        20       tokens",
    ]


@pytest.mark.parametrize("pen", [FINE, ASCII])
def test_values_stand_at_their_height(pen: Pen) -> None:
    def row(value: float) -> set[int]:
        return {row for row, _ in drawn(plot_lines(Plot([Point(0, value), Point(32, value)]), 60, 12, pen))}

    assert row(1.0) == {0}
    assert row(0.0) == {9}
    assert row(0.5) <= {4, 5}


def test_the_line_has_no_holes() -> None:
    plot = Plot([Point(0, 0.0), Point(16, 1.0), Point(17, 0.0), Point(32, 1.0)])
    cells = drawn(plot_lines(plot, 60, 12, FINE))
    assert {column for _, column in cells} == set(range(5, 60))
    assert max(Counter(column for _, column in cells).values()) >= 4


def test_one_point_is_a_dot() -> None:
    assert len(drawn(plot_lines(Plot([Point(16, 0.5)]), 40, 10, FINE))) == 1


def test_a_label_makes_room_for_the_line() -> None:
    level = [Point(0, 1.0), Point(10, 1.0)]
    assert text(plot_lines(Plot(level, [Reference(1.0, "dense")]), 60, 10, FINE))[0].endswith("┄ dense ┄")
    everywhere = [Point(0, 1.0), Point(32, 1.0)]
    first, second, *_ = text(plot_lines(Plot(everywhere, [Reference(1.0, "dense")]), 60, 10, FINE))
    assert "dense" not in first
    assert second.endswith(" dense  ")
    bottom = [Point(0, 0.0), Point(32, 0.0)]
    lines = text(plot_lines(Plot(bottom, [Reference(1.0, "dense"), Reference(0.0, "draft")]), 60, 10, FINE))
    assert [" draft " in line for line in lines[-4:]] == [True, False, False, False]


@given(st.floats(1e-6, 1e6))
def test_steps_are_round(least: float) -> None:
    step = round_step(least)
    assert least <= step * (1 + 1e-6) <= 2.6 * least
    assert f"{step:e}"[:4] in ("1.00", "2.00", "2.50", "5.00")


@given(st.floats(1e-6, 1e6))
def test_axes_end_where_their_half_is_short_too(highest: float) -> None:
    top = round_top(highest)
    assert highest <= top * (1 + 1e-6) <= 1.4 * highest
    assert len(f"{top / 2:e}".partition("e")[0].rstrip("0")) <= 3


def test_an_outlier_stands_at_the_top() -> None:
    plot = Plot([Point(0, 90.0), Point(8, 1.0), Point(32, 1.0)], most_top=2.0)
    lines = plot_lines(plot, 60, 12, FINE)
    assert text(lines)[0].startswith("   2")
    assert (0, 5) in drawn(lines)


@given(st.integers(0, 10**7))
def test_the_axis_of_tokens_grows_in_steps(tokens: int) -> None:
    limit = token_limit(tokens)
    assert max(32, tokens) <= limit <= max(32, 1.5 * tokens + 1)
    assert token_limit(limit) == limit


def test_the_charts_of_a_panel() -> None:
    panel = Panel(read=(Point(8, 0.7), Point(16, 0.6234)), draft_read=0.4, rate=(Point(8, 31.26),), dense_rate=20)
    read_chart = text(chart_lines(read(panel), 44, 10, FINE))
    assert read_chart[0] == f"{'effective read':<40}0.62"
    assert "dense" in read_chart[1]
    assert any("draft" in line for line in read_chart)
    rate_chart = text(chart_lines(rate(panel), 44, 10, FINE))
    assert rate_chart[0].endswith(" 31.3")
    assert sum("dense" in line for line in rate_chart) == 1
    assert sum("dense" in line for line in text(chart_lines(rate(Panel()), 44, 10, FINE))) == 0


@pytest.mark.parametrize("height", [1, 2, 3])
def test_without_room_the_title_is_left(height: int) -> None:
    assert len(chart_lines(read(Panel()), 40, height, FINE)) == 1


def test_300_points_are_drawn_in_no_time() -> None:
    panel = Panel(read=tuple(Point(tokens, 0.6 + 0.2 * math.sin(tokens / 9)) for tokens in range(300)))
    start = time.process_time()
    for _ in range(10):
        chart_lines(read(panel), 60, 14, FINE)
    assert (time.process_time() - start) / 10 < 0.01
