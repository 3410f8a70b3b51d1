"""``sirius inspect-corrections``: what the dense model put right in a recorded run."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sirius_cli.cli import diagnostics, options, reports, terminal

if TYPE_CHECKING:  # --help loads none of the services
    from sirius_cli.services.inspection.comparison import Comparison
    from sirius_cli.services.inspection.facts import Correction, Inspection


class Format(StrEnum):
    """The forms that a report has."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    SVG = "svg"


_TARGET_HELP = "A trace, a folder of traces, or the name of a trace; else the newest."
_Target = Annotated[str | None, typer.Argument(metavar="[RUN|TRACE|FOLDER]", help=_TARGET_HELP)]
_FORMAT_HELP = "Write a report; a table if there is no terminal."
_Format = Annotated[Format | None, typer.Option("--format", metavar="|".join(Format), help=_FORMAT_HELP)]
_Top = Annotated[int | None, typer.Option("--top", min=1, metavar="N", help="List the first N corrections.")]
_Against = Annotated[
    str | None, typer.Option("--against", metavar="OTHER", help="Say what is different in another run.")
]
_SORT_HELP = "Sort by a column, such as p, margin or class; -margin puts the greatest first."
_Sort = Annotated[str | None, typer.Option("--sort", metavar="COLUMN", help=_SORT_HELP)]
_FILTER_HELP = "List only corrections such as class=number, p<0.3 or text~regex; may be given several times."
_Filter = Annotated[list[str] | None, typer.Option("--filter", metavar="CONDITION", help=_FILTER_HELP)]


def inspect_corrections(
    target: _Target = None,
    format: _Format = None,
    top: _Top = None,
    output_file: reports.OutputFile = None,
    against: _Against = None,
    sort: _Sort = None,
    filters: _Filter = None,
    theme: options.Theme = None,
    no_color: options.NoColor = False,
) -> None:
    """Show every correction of a recorded run, with the figures around them.

    On a terminal this opens the inspector, elsewhere it writes a report.
    """
    from sirius_cli.services.inspection import reading
    from sirius_cli.services.inspection.comparison import compare
    from sirius_cli.services.inspection.selection import select

    # Faulty conditions are found before anything is read.
    select((), filters or (), sort)
    path = reading.find(target)
    other = None if against is None else reading.find(against)
    reports.expect_writable(output_file, (*reading.files_of(path), *(reading.files_of(other) if other else ())))
    found = reading.read(path)
    comparison = None if other is None else compare(found, reading.read(other))
    if format is None and output_file is None and _on_terminal():
        from sirius_cli.tui.inspector.run import Opening, run_inspector

        # Without a name the newest trace is shown, and those beside it can be chosen.
        shown = reading.read(path.parent) if target is None and comparison is None else found
        first = found.runs[0].name if target is None else None
        run_inspector(shown, comparison, Opening(first, tuple(filters or ()), sort, theme, no_color))
        return
    for problem in found.problems + (comparison.right.problems if comparison else ()):
        diagnostics.note(f"note: {terminal.one_line(problem)}")
    chosen = select(found.corrections, filters or (), sort, top)
    reports.deliver(_render(format or Format.TABLE, found, chosen, comparison), output_file)


def _on_terminal() -> bool:
    """Textual draws on standard error, so that has to be one too."""
    return all(map(terminal.is_terminal, (sys.stdin, sys.stderr))) and terminal.abilities(sys.stdout).ansi


def _render(
    form: Format, found: "Inspection", chosen: "tuple[Correction, ...]", comparison: "Comparison | None"
) -> str:
    from sirius_cli.core.safe_json import as_json
    from sirius_cli.services.inspection.reports import document, page, picture, tables
    from sirius_cli.services.reports import csv_file, markdown, plain

    match form:
        case Format.JSON:
            return as_json(document.inspection_to_json(found, chosen, comparison), indent=2) + "\n"
        case Format.HTML:
            return page.render(found, chosen, comparison)
        case Format.SVG:
            return picture.render(found)
        case Format.CSV:
            return csv_file.render(tables.detailed_table(chosen))
    parts = tables.all_tables(found, chosen) + (tables.comparison_tables(comparison) if comparison else [])
    if form is Format.MD:
        return markdown.render("Corrections", tables.about(found), parts)
    return plain.joined([plain.about_lines(tables.about(found)), *map(plain.table_lines, parts)])
