"""What the inspector writes: cells, headings, a correction in a few words. Nothing a model wrote is markup here."""

from collections.abc import Sequence

from rich.console import JustifyMethod
from rich.text import Text
from textual.content import Content
from textual.widgets import DataTable

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.inspection.facts import Correction, Request, metrics_of
from sirius_cli.services.reports.table import Column, Table, Value, shown
from sirius_cli.tui.inspector import aggregate_views
from sirius_cli.tui.inspector.view import View

SCOPE_COLUMNS = ("look at", "model", "answers", "tokens", "corrected", "AAL", "density", "ended")


def head(view: View, listed: int) -> Content:
    """What is looked at, and its main figures."""
    metrics = metrics_of(view.requests)
    models = dict.fromkeys(run.header.model for run in view.inspection.runs)
    parts = [f"{view.scope}", ", ".join(models), f"{listed} corrections"]
    parts += [f"AAL {shown(metrics.aal, 'figure')}", f"{shown(metrics.corrected_fraction, 'percent')} corrected"]
    parts += [f"density {shown(metrics.effective_density, 'ratio')}", *view.conditions]
    return Content(one_line(" · ".join(parts)))


def title(request: Request | None) -> str:
    """The heading of an answer's text."""
    if request is None:
        return "no answer"
    return f"{request.run}, answer {request.number}, {len(request.corrections)} of {len(request.tokens)} corrected"


def detail(correction: Correction | None) -> Content:
    """A correction in two lines."""
    if correction is None:
        return Content.styled("no correction is selected", "$text-muted")
    c = correction
    unsure = f" · margin {shown(c.margin, 'ratio')} · entropy {shown(c.entropy, 'ratio')}\n"
    place = f"window {c.window}, position {c.position}/{c.drafted} · {c.token_class}"
    layers = f" · layers {aggregate_views.sparkline(c.activity)}" if c.activity else ""
    return Content.assemble(
        Content("draft "), Content.styled(shown(c.draft, "token"), "strike"),
        Content(f" p {shown(c.p_draft, 'ratio')} q {shown(c.q, 'ratio')} → dense "),
        Content.styled(shown(c.dense, "token"), "$mark-corrected bold underline"),
        Content(f" p {shown(c.p, 'ratio')}{unsure}"), Content.styled(place + layers, "$text-muted"),
    )  # fmt: skip


def scope_row(view: View) -> list[str]:
    """What there is to choose, with its figures: a row under ``SCOPE_COLUMNS``."""
    requests, metrics = view.requests, metrics_of(view.requests)
    ends = list(dict.fromkeys(request.finish_reason or "unfinished" for request in requests))
    models = dict.fromkeys(run.header.model for run in view.inspection.runs if view.scope.run in (None, run.name))
    name = f"  answer {view.scope.request}" if view.scope.request is not None else one_line(str(view.scope))
    return [
        name, one_line(", ".join(models)), str(len(requests)), str(metrics.committed_tokens),
        shown(metrics.corrected_fraction, "percent"), shown(metrics.aal, "figure"),
        shown(metrics.effective_density, "ratio"), ", ".join(ends),
    ]  # fmt: skip


def filled(table: "DataTable[Text]", source: Table) -> "DataTable[Text]":
    """``table``, filled from ``source``."""
    fill(table, source, None)
    return table


def fill(table: "DataTable[Text]", source: Table, sort: str | None) -> None:
    """Put ``source`` in place of all that ``table`` holds; the column that ``sort`` names gets an arrow."""
    table.clear(columns=True)
    for column in source.columns:
        table.add_column(_label(column, sort), key=column.name)
    for row in source.rows:
        table.add_row(*_cells(row, source.columns))


def _label(column: Column, sort: str | None) -> Text:
    arrow = {column.name: " ▲", f"-{column.name}": " ▼"}.get(sort or "", "")
    return Text(column.label + arrow, justify=_justified(column))


def _cells(row: Sequence[Value], columns: Sequence[Column]) -> list[Text]:
    return [
        Text(shown(value, column.kind), justify=_justified(column)) for value, column in zip(row, columns, strict=True)
    ]


def _justified(column: Column) -> JustifyMethod:
    return "left" if column.kind in ("text", "token") else "right"
