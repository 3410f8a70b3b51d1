"""The inspector: a table of corrections, the text they stand in, and what they come to."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widgets import DataTable, Footer, Input, Static, TabbedContent, TabPane

from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import SiriusError
from sirius_cli.services.inspection.comparison import Comparison
from sirius_cli.services.inspection.facts import Correction, Inspection
from sirius_cli.services.inspection.reports import page, tables
from sirius_cli.services.reports import saving
from sirius_cli.tui import themes
from sirius_cli.tui.inspector import aggregate_views, wording
from sirius_cli.tui.inspector.answer_text import AnswerText
from sirius_cli.tui.inspector.view import Scope, View, parse_conditions, step
from sirius_cli.tui.themed_app import ThemedApp
from sirius_cli.tui.widgets.plot import ASCII, FINE, Pen

_Drawn = Callable[[View, Size, Pen], Content]
_AGGREGATES: Mapping[str, tuple[str, _Drawn]] = {
    "acceptance": ("Acceptance", lambda view, size, pen: aggregate_views.acceptance(view.requests, size.width)),
    "pairs": ("Pairs", lambda view, size, pen: aggregate_views.pairs(view.corrections, size.width)),
    "classes": ("Classes", lambda view, size, pen: aggregate_views.classes(view.requests, size.width)),
    "advances": ("Advances", lambda view, size, pen: aggregate_views.advances(view.requests, size.width)),
    "density": ("Density", lambda view, size, pen: aggregate_views.density(view.requests, size, pen)),
}
_WIDE = 140  # columns from which the text has its place beside the table
_COLUMNS = tables.CORRECTION_COLUMNS
_TABS = ("corrections", *_AGGREGATES, "runs", "changes")


def _tab_bindings() -> list[Binding]:
    return [
        Binding(str(number), f"tab({name!r})", name.capitalize(), id=f"inspector.tab_{name}", show=False)
        for number, name in enumerate(_TABS, start=1)
    ]


class Inspector(ThemedApp):
    """Shows ``inspection``, and against ``comparison`` what changed. ``run`` is the one to begin with.

    Raises:
        UsageError: if there is no sound theme ``theme``.
    """

    CSS_PATH = "inspector.tcss"
    TITLE = "sirius inspect-corrections"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="inspector.filter"),
        Binding("s", "sort", "Sort by", id="inspector.sort"),
        Binding("S", "reverse", "Reverse", id="inspector.reverse"),
        Binding("left_square_bracket", "step(-1)", "Previous", id="inspector.previous", key_display="["),
        Binding("right_square_bracket", "step(1)", "Next", id="inspector.next", key_display="]"),
        Binding("r", "tab('runs')", "Runs", id="inspector.runs"),
        Binding("w", "report", "Report", id="inspector.report"),
        Binding("escape", "leave_question", "Back", id="inspector.back", show=False),
        Binding("f1", "help", "Help", id="inspector.help"),
        Binding("q", "quit", "Quit", id="inspector.quit"),
        *_tab_bindings(),
    ]

    def __init__(
        self,
        inspection: Inspection,
        comparison: Comparison | None = None,
        *,
        run: str | None = None,
        conditions: Iterable[str] = (),
        sort: str | None = None,
        theme: str = themes.DEFAULT,
        no_colour: bool = False,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(theme, no_colour=no_colour, ascii_only=ascii_only)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]
        only = inspection.runs[0].name if len(inspection.runs) == 1 else None
        self._pen = ASCII if ascii_only else FINE
        self._view = View(inspection, Scope(run or only), tuple(conditions), sort)
        self._comparison = comparison
        self._listed: tuple[Correction, ...] = ()
        self._scopes: list[Scope] = []
        self._selected: Correction | None = None
        self._head, self._problems, self._detail = Static(id="head"), Static(id="problems"), Static(id="detail")
        self._table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=True)
        self._scope_table: DataTable[Text] = DataTable(id="scopes", cursor_type="row")
        self._text = AnswerText(id="text")
        self._tabs = TabbedContent(id="tabs")
        self._drawings = {name: Static(classes="aggregate") for name in _AGGREGATES}
        self._asking, self._question = Horizontal(id="asking"), Static(id="question")
        self._answer = Input(id="answer", compact=True)
        self._done: Callable[[str], None] = self._filter_by

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._problems
        with self._tabs:
            with TabPane("Corrections", id="corrections"), Container(id="split"):
                yield self._table
                with Vertical(id="context"):
                    yield self._detail
                    yield self._text
            for name, (title, _) in _AGGREGATES.items():
                with TabPane(title, id=name), VerticalScroll():
                    yield self._drawings[name]
            with TabPane("Runs", id="runs"):
                yield self._scope_table
            if self._comparison is not None:
                yield from _changes(self._comparison)
        with self._asking:
            yield self._question
            yield self._answer
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._answer.cursor_blink = False
        problems = self._view.inspection.problems
        self._problems.display = bool(problems)
        self._problems.update(Content("\n".join(map(one_line, problems))))
        self._list_scopes()
        self._show()
        self._table.focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_aggregate)

    def _show(self) -> None:
        """Everything anew: the view has changed."""
        self._listed = self._view.corrections
        several = len(self._view.inspection.runs) > 1 and self._view.scope.run is None
        source = tables.corrections_table(self._listed, runs=2 if several else 1)
        wording.fill(self._table, source, self._view.sort)
        self._select(self._selected if self._selected in self._listed else next(iter(self._listed), None))
        self._head.update(wording.head(self._view, len(self._listed)))
        self._draw_aggregate()

    def _draw_aggregate(self) -> None:
        active = self._tabs.active
        if active in _AGGREGATES:
            width, height = self._tabs.size
            drawn = _AGGREGATES[active][1](self._view, Size(width - 4, height - 5), self._pen)
            self._drawings[active].update(drawn)

    def _select(self, correction: Correction | None) -> None:
        self._selected = correction
        if correction is not None:
            self._table.move_cursor(row=self._listed.index(correction))
        request = self._view.request_of(correction) if correction else next(iter(self._view.requests), None)
        self._text.border_title = Content(one_line(wording.title(request)))
        self._text.show(request, correction.index if correction else None)
        self._detail.update(wording.detail(correction))

    def _list_scopes(self) -> None:
        inspection = self._view.inspection
        self._scopes = [Scope()] if len(inspection.runs) > 1 else []
        for run in inspection.runs:
            self._scopes += [Scope(run.name), *(Scope(run.name, request.number) for request in run.requests)]
        self._scope_table.add_columns(*wording.SCOPE_COLUMNS)
        for scope in self._scopes:
            self._scope_table.add_row(*map(Text, wording.scope_row(replace(self._view, scope=scope))))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        # The table tells of every move, also of those that a later one has overtaken.
        if event.data_table is self._table and event.cursor_row == self._table.cursor_row < len(self._listed):
            correction = self._listed[event.cursor_row]
            if correction != self._selected:
                self._select(correction)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if event.data_table is self._scope_table:
            self._view = replace(self._view, scope=self._scopes[event.cursor_row])
            self._show()
            self.action_tab("corrections")

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        if event.data_table is self._table and event.column_key.value is not None:
            self._sort_by(event.column_key.value)

    def on_answer_text_chosen(self, event: AnswerText.Chosen) -> None:
        if event.correction in self._listed:
            self._select(event.correction)

    def on_tabbed_content_tab_activated(self) -> None:
        self._draw_aggregate()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            self._done(event.value.strip())
        except SiriusError as problem:
            self.notify(one_line(str(problem)), severity="error", markup=False)
        else:
            self.action_leave_question()

    def action_tab(self, name: str) -> None:
        """Turn to a tab, if it is there."""
        if not self.query(f"TabPane#{name}"):
            return
        self._tabs.active = name
        inner = self.query(f"TabPane#{name} DataTable, TabPane#{name} VerticalScroll").first()
        self.call_after_refresh(inner.focus)

    def action_filter(self) -> None:
        """Ask for conditions."""
        self._done = self._filter_by
        self._ask("filter", shlex.join(self._view.conditions), "class=number p<0.3 text~regex")

    def action_report(self) -> None:
        """Ask where to write the HTML report."""
        self._done = self._write_report
        self._ask("write the HTML report to", "corrections.html", "corrections.html")

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = [column.name for column in _COLUMNS]
        current = (self._view.sort or "").removeprefix("-")
        self._sort_by(names[(names.index(current) + 1) % len(names)] if current in names else names[1])

    def action_reverse(self) -> None:
        """Turn the order round."""
        current = self._view.sort or "request"
        self._view = replace(self._view, sort=current.removeprefix("-") if current[0] == "-" else f"-{current}")
        self._show()

    def action_step(self, by: int) -> None:
        """Go to another correction in the text."""
        self._select(step(self._listed, self._selected, by))

    def action_leave_question(self) -> None:
        """Leave the question; without one, the help panel and then the filter."""
        if self._asking.display:
            self._asking.display = False
            self._table.focus()
        elif self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        elif self._view.conditions:
            self._view = replace(self._view, conditions=())
            self._show()

    def action_help(self) -> None:
        """Show or hide the list of keys."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def _sort_by(self, name: str) -> None:
        self._view = replace(self._view, sort=f"-{name}" if self._view.sort == name else name)
        self._show()

    def _ask(self, question: str, value: str, placeholder: str) -> None:
        self._asking.display = True
        self._question.update(Content(f"{question}: "))
        self._answer.value, self._answer.placeholder = value, placeholder
        self._answer.focus()

    def _filter_by(self, text: str) -> None:
        self._view = replace(self._view, conditions=parse_conditions(text))
        self._show()

    def _write_report(self, name: str) -> None:
        path = Path(name).expanduser()
        saving.save(path, page.render(self._view.inspection, self._listed, self._comparison))
        self.notify(f"wrote {one_line(str(path))}", markup=False)


def _changes(comparison: Comparison) -> ComposeResult:
    with TabPane("Changes", id="changes"), VerticalScroll():
        for table in tables.comparison_tables(comparison):
            yield Static(table.title, classes="title", markup=False)
            yield wording.filled(DataTable(cursor_type="row", classes="change"), table)
