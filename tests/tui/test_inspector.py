"""The inspector under its keys: what is listed, what is marked, what is asked and answered."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from correction_streams import HEADER, TEXT, WRONG, answer, inspection, words_of
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static, TabbedContent

from sirius_cli.errors import UsageError
from sirius_cli.services.inspection.comparison import compare
from sirius_cli.services.inspection.facts import Inspection
from sirius_cli.tui.inspector.answer_text import AnswerText
from sirius_cli.tui.inspector.app import Inspector
from sirius_cli.tui.inspector.run import Opening, run_inspector
from sirius_cli.tui.inspector.view import parse_conditions, step

OTHER = answer(tuple(words_of(TEXT.replace("earlier", "later"))), {4: " 8"}, prompt=40)
TWO = inspection(answer(), OTHER)


@asynccontextmanager
async def opened(
    found: Inspection = TWO, size: tuple[int, int] = (100, 30), **options: Any
) -> AsyncIterator[tuple[Pilot[None], Inspector]]:
    app = Inspector(found, **options)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot, app


def column(app: Inspector, name: str) -> list[str]:
    return [str(cell) for cell in app.query_one("#table", DataTable).get_column(name)]


def shown(app: Inspector, selector: str) -> str:
    return str(app.query_one(selector, Static).render())


def text_of(app: Inspector) -> str:
    widget = app.query_one(AnswerText)
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


async def ask(pilot: Pilot[None], key: str, text: str) -> None:
    await pilot.press(key)
    pilot.app.query_one("#answer", Input).value = text
    await pilot.press("enter")
    await pilot.pause()


async def test_it_opens_with_every_correction_and_the_first_selected() -> None:
    async with opened() as (_pilot, app):
        assert column(app, "index") == [str(i) for i in [*sorted(WRONG), 4]]
        assert "␣8" in shown(app, "#detail")
        assert "entropy 1.250" in shown(app, "#detail")
        assert "A train leaves at 9" in text_of(app)
        assert "10 corrections" in shown(app, "#head")


async def test_moving_in_the_table_moves_the_text() -> None:
    async with opened() as (pilot, app):
        await pilot.press(*["down"] * 9)
        await pilot.pause()
        assert "an hour later" in text_of(app)
        assert "answer 2" in str(app.query_one(AnswerText).border_title)


async def test_the_selected_correction_is_scrolled_into_view() -> None:
    long = inspection(answer(tuple(words_of(TEXT)) * 20, {1201: " x"}))
    async with opened(long) as (_pilot, app):
        assert app.query_one(AnswerText).scroll_offset.y > 10


async def test_blank_lines_do_not_lead_astray() -> None:
    words = [" word", "\n", "\n"] * 60
    async with opened(inspection(answer(words, {3: " x", 90: " y"}))) as (pilot, app):
        assert app.query_one(AnswerText).scroll_offset.y == 0
        await pilot.press("right_square_bracket")
        await pilot.pause()
        top = app.query_one(AnswerText).scroll_offset.y
        assert top <= 60 < top + app.query_one(AnswerText).size.height


async def test_brackets_step_through_the_text_and_around() -> None:
    async with opened() as (pilot, app):
        table = app.query_one("#table", DataTable)
        await pilot.press("right_square_bracket")
        assert table.cursor_row == 1
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert table.cursor_row == table.row_count - 1


async def test_filtering_and_taking_it_back() -> None:
    async with opened(size=(140, 30)) as (pilot, app):
        await ask(pilot, "slash", "class=number index<30")
        assert column(app, "class") == ["number"] * 3
        assert "class=number" in shown(app, "#head")
        await pilot.press("escape")
        await pilot.pause()
        assert len(column(app, "class")) == 10


async def test_a_bad_filter_is_told_and_changes_nothing() -> None:
    async with opened() as (pilot, app):
        await ask(pilot, "slash", "size>3")
        assert len(column(app, "index")) == 10
        assert app.query_one("#asking").display
        assert any("names no column" in one.message for one in app._notifications)


async def test_a_filter_that_nothing_passes_leaves_the_text() -> None:
    async with opened() as (pilot, app):
        await ask(pilot, "slash", "p>2")
        assert column(app, "index") == []
        assert "no correction is selected" in shown(app, "#detail")
        assert "A train leaves" in text_of(app)
        await pilot.press("right_square_bracket")


async def test_sorting_by_keys() -> None:
    async with opened() as (pilot, app):
        await pilot.press("s", "s", "s")
        dense = column(app, "draft")
        assert dense == sorted(dense, key=lambda text: text.replace("␣", " ").casefold())
        await pilot.press("S")
        assert column(app, "draft") == sorted(dense, key=lambda text: text.replace("␣", " ").casefold(), reverse=True)


async def test_sorting_by_a_click_on_a_heading() -> None:
    async with opened() as (pilot, app):
        await pilot.click("#table", offset=(14, 0))
        await pilot.pause()
        once = [int(index) for index in column(app, "index")]
        assert once == sorted(once)
        await pilot.click("#table", offset=(14, 0))
        await pilot.pause()
        assert [int(index) for index in column(app, "index")] == sorted(once, reverse=True)


async def test_a_click_on_a_correction_selects_it() -> None:
    async with opened() as (pilot, app):
        line = text_of(app).splitlines()[0]
        region = app.query_one(AnswerText).scrollable_content_region
        inner = app.query_one(AnswerText).content_region
        assert region.y == inner.y
        await pilot.click(offset=(inner.x + line.index("hour"), inner.y))
        await pilot.pause()
        assert "␣hour" in shown(app, "#detail")


@pytest.mark.parametrize(
    ("key", "tab", "told"),
    [
        ("2", "acceptance", "position"),
        ("3", "pairs", "␣160"),
        ("4", "classes", "operator"),
        ("5", "advances", "advance"),
        ("6", "density", "dense"),
    ],
)
async def test_aggregate_tabs(key: str, tab: str, told: str) -> None:
    async with opened() as (pilot, app):
        await pilot.press(key)
        await pilot.pause()
        assert app.query_one(TabbedContent).active == tab
        assert told in shown(app, f"#{tab} .aggregate")


async def test_choosing_an_answer_restricts_everything() -> None:
    async with opened() as (pilot, app):
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert app.query_one(TabbedContent).active == "corrections"
        assert column(app, "index") == ["4"]
        assert "answer 2" in shown(app, "#head")


async def test_several_runs_are_told_apart_and_one_can_be_first() -> None:
    runs = Inspection((*inspection(name="a").runs, *inspection(answer(wrong={4: " 8"}), name="b").runs))
    async with opened(runs, run="b") as (pilot, app):
        assert column(app, "index") == ["4"]
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("up", "up", "up", "up", "enter")
        await pilot.pause()
        assert set(column(app, "run")) == {"a", "b"}


async def test_changes_against_another_run() -> None:
    async with opened(comparison=compare(TWO, inspection())) as (pilot, app):
        await pilot.press("8")
        await pilot.pause()
        assert app.query_one(TabbedContent).active == "changes"
        assert len(app.query("DataTable.change")) == 3


async def test_without_another_run_there_is_no_such_tab() -> None:
    async with opened() as (pilot, app):
        await pilot.press("8")
        assert app.query_one(TabbedContent).active == "corrections"


async def test_a_report_is_written_where_it_is_asked(tmp_path: Path) -> None:
    async with opened() as (pilot, app):
        await ask(pilot, "w", str(tmp_path / "report.html"))
        assert not app.query_one("#asking").display
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")


async def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with opened() as (pilot, app):
        await ask(pilot, "w", str(tmp_path / "missing" / "report.html"))
        assert any("cannot write" in one.message for one in app._notifications)


async def test_help_comes_and_goes() -> None:
    async with opened() as (pilot, app):
        await pilot.press("f1")
        await pilot.pause()
        assert app.screen.query("HelpPanel")
        await pilot.press("f1")
        await pilot.pause()
        assert not app.screen.query("HelpPanel")


async def test_q_leaves() -> None:
    async with opened() as (pilot, app):
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running


def test_every_binding_has_an_id() -> None:
    assert all(binding.id for binding in Inspector.BINDINGS)  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 6)])
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async with opened(size=size) as (pilot, _app):
        for key in "2345671":
            await pilot.press(key)
            await pilot.pause()


async def test_markup_and_escapes_are_shown_never_obeyed() -> None:
    words = ["[bold]A", " [/nothing]", "\x1b[31m", " [@click=app.quit]x[/]"] * 4
    evil = inspection(
        answer(words, {5: "[red]", 7: "\x1b[2J"}), name="[link=x]", header=replace(HEADER, model="[b]m[/b]")
    )
    async with opened(evil) as (pilot, app):
        for key in "234567":
            await pilot.press(key)
            await pilot.pause()
        await pilot.press("1")
        await pilot.pause()
        assert "[b]m[/b]" in shown(app, "#head")
        assert column(app, "draft") == ["[red]", "␛[2J"]
        assert "␛[31m" in text_of(app)
        assert "[bold]A" in text_of(app)


async def test_an_empty_run_and_its_problem_are_shown() -> None:
    empty = replace(inspection([]), problems=("the trace run holds no answer",))
    async with opened(empty) as (pilot, app):
        assert "holds no answer" in shown(app, "#problems")
        for key in "2345671":
            await pilot.press(key)
            await pilot.pause()


async def test_ascii_alone() -> None:
    async with opened(ascii_only=True) as (pilot, app):
        for key in "1236":
            await pilot.press(key)
            await pilot.pause()
            lines = [strip.text for strip in app.screen._compositor.render_strips()]
            filtered = app.export_screenshot()
            assert lines
            assert "⣀" not in filtered


def test_the_settings_hold_keys_of_both_applications(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Inspector] = []
    monkeypatch.setattr(Inspector, "run", lambda self: begun.append(self))
    (own_home / "config").mkdir(parents=True)
    settings = own_home / "config" / "settings.yaml"
    settings.write_text("theme: day\nkeymap:\n  inspector.quit: x\n  app.help: f2\n")
    run_inspector(TWO, None, Opening())
    assert begun[0].theme == "day"
    assert dict(begun[0]._keymap) == {"inspector.quit": "x"}
    settings.write_text("keymap:\n  inspector.leave: x\n")
    with pytest.raises(UsageError, match=r"inspector\.leave"):
        run_inspector(TWO, None, Opening())


async def test_without_colours_marks_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(no_colour=True) as (_pilot, app):
        assert "underline" in app.export_screenshot()


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(UsageError, match="no theme named 'mauve'"):
        Inspector(TWO, theme="mauve")


async def test_a_click_in_ten_thousand_tokens_is_quick() -> None:
    """Lines are made once; drawing takes only those that are seen."""
    from time import perf_counter

    wrong = dict.fromkeys(range(50, 10_000, 100), " x")
    large = inspection(answer((tuple(words_of(TEXT)) * 160)[:10_000], wrong, window=16))
    async with opened(large) as (_pilot, app):
        widget, request = app.query_one(AnswerText), large.requests[0]
        start = perf_counter()
        for correction in request.corrections[:50]:
            widget.show(request, correction.index)
            widget.render_line(0)
        assert (perf_counter() - start) / 50 < 0.2


@pytest.mark.parametrize(("size", "theme"), [((80, 24), "night"), ((160, 45), "day")], ids=str)
async def test_corrections_look(size: tuple[int, int], theme: str, picture: Callable[[Inspector], None]) -> None:
    app = Inspector(TWO, theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.press("right_square_bracket", "right_square_bracket")
        await pilot.pause()
        picture(app)


async def test_density_looks(picture: Callable[[Inspector], None]) -> None:
    app = Inspector(TWO)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await pilot.pause()
        picture(app)


def test_conditions_are_apart_by_blanks_and_quotes_hold_them() -> None:
    assert parse_conditions("p<0.3 'text~a b'") == ("p<0.3", "text~a b")
    with pytest.raises(UsageError, match="quote"):
        parse_conditions("'p<0.3")


def test_stepping_where_there_is_nothing() -> None:
    assert step((), None, 1) is None
