"""What commands that write reports share: the options, and where the text goes."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sirius_cli.cli import diagnostics, options, output, terminal
from sirius_cli.errors import UsageError


class Format(StrEnum):
    """The forms that a report of a benchmark has."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    SVG = "svg"


FormatOption = Annotated[
    Format | None, typer.Option("--format", metavar="|".join(Format), help="Form of the report; else a table.")
]
ComparisonFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="|".join(form for form in Format if form is not Format.SVG),
        help="Form of the report; else a table.",
    ),
]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the report into a file.")
]


def chosen(context: typer.Context, form: Format | None, json: bool) -> Format:
    """The form that ``--format`` and ``--json`` ask for; the first beats the variable of the second.

    Raises:
        UsageError: the flags contradict each other.
    """
    if form is None:
        return Format.JSON if json else Format.TABLE
    if json and form is not Format.JSON and options.on_command_line(context, "json"):
        raise UsageError(f"--json and --format {form} ask for two forms", "give one of them")
    return form


def expect_writable(file: Path | None, reads: Iterable[Path | None] = ()) -> None:
    """Refuse a file that a report could not be written to, or that is one of those that are read for it.

    Raises:
        UsageError: before anything has been done for the report.
    """
    if file is None:
        return
    from sirius_cli.services.saving import is_place

    if not is_place(file):
        raise UsageError(f"cannot write {file}", "name a file in a folder that exists and is writable")
    if file.exists() and any(read is not None and read.exists() and file.samefile(read) for read in reads):
        raise UsageError(f"{file} is read for what would be written to it", "name another file")


def deliver(text: str, file: Path | None) -> None:
    """Write a report to standard output, or into ``file`` and say so.

    Raises:
        UsageError: if no file can be made there.
    """
    if file is None:
        output.write_text(text)
        return
    from sirius_cli.services.reports.saving import save

    save(file, text)
    diagnostics.note(f"wrote {terminal.one_line(str(file))}")
