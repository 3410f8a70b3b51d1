"""A table as CSV that a spreadsheet can open without running any of it."""

import csv
import io

from sirius_cli.services.reports.table import Table, Value

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def render(table: Table) -> str:
    """``table`` with a line of names. Texts are quoted; what is not known is empty."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([guarded(value) for value in row] for row in table.rows)
    return out.getvalue()


def guarded(value: Value) -> Value:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it, as does one that has one.

    Taking one leading apostrophe away gives the text back.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
