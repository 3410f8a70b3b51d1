"""Rows in columns, for terminals and files of plain text."""

from collections.abc import Iterator, Sequence

from sirius_cli.core.safe_text import one_line, width


def aligned(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A header and rows as lines of aligned columns, two spaces apart, every cell on one line."""
    cells = [[one_line(cell) for cell in row] for row in [labels, *rows]]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
