"""What HTML reports are made of. Every text is escaped, no page needs a network, none needs a script."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import zip_longest

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.reports import palette
from sirius_cli.services.reports.table import Column, Table, Value, shown

_PLACE = "sirius_cli.services.reports"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, body: Iterable[str], style: str = "", script: str = "") -> str:
    """A whole page of one file; ``style`` and ``script`` are its own, added to what all reports have."""
    policy = f"{_POLICY}; script-src 'unsafe-inline'" if script else _POLICY
    ending = f"<script>\n{script}</script>\n" if script else ""
    content = "\n".join(body)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{safe(title)}</title>\n<style>\n{_style()}{style}</style>\n</head>\n<body>\n"
        f"{content}\n{ending}</body>\n</html>\n"
    )


def chart_style() -> str:
    """The style sheet of charts, for pictures that have no page around them."""
    return resource(_PLACE, "chart.css")


def resource(package: str, name: str) -> str:
    """The text of a file that ``package`` ships."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def safe(text: str) -> str:
    """``text`` escaped, on one line and without control characters."""
    return escape(one_line(text))


def about(facts: Iterable[tuple[str, str]]) -> str:
    """Names with their values, in a row."""
    items = (f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in facts)
    return f'<dl class="about">{"".join(items)}</dl>'


def problem(text: str) -> str:
    """What a reader must not miss."""
    return f'<p class="problem" role="alert">{safe(text)}</p>'


def footer(notes: Iterable[str]) -> str:
    """Paragraphs at the end."""
    return f"<footer>{''.join(f'<p>{safe(note)}</p>' for note in notes)}</footer>"


def charts(drawn: Iterable[tuple[str, str]]) -> str:
    """Charts below their titles, beside each other."""
    figures = (f"<figure><figcaption>{safe(title)}</figcaption>{svg}</figure>" for title, svg in drawn)
    return f'<div class="charts">{"".join(figures)}</div>'


def section(table: Table, linked: str = "", anchors: Sequence[str] = ()) -> str:
    """``table`` below its title; the cells of the column named ``linked`` lead to ``anchors``, one a row."""
    return f"<section><h2>{safe(table.title)}</h2>{table_of(table, linked, anchors)}</section>"


def table_of(table: Table, linked: str = "", anchors: Sequence[str] = ()) -> str:
    """``table`` alone, see :func:`section`."""
    if not table.rows:
        return "<p>None.</p>"
    head = "".join(f'<th scope="col" class="{column.kind}">{safe(column.label)}</th>' for column in table.columns)
    rows = zip_longest(table.rows, anchors, fillvalue="")
    body = "".join(f"<tr>{''.join(_cells(row, table.columns, linked, anchor))}</tr>\n" for row, anchor in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cells(row: Iterable[Value], columns: Iterable[Column], linked: str, anchor: str) -> Iterator[str]:
    for value, column in zip(row, columns, strict=True):
        order = "" if value is None or isinstance(value, str) else f' data-value="{value:.9g}"'
        text = escape(shown(value, column.kind))
        content = f'<a href="#{anchor}">{text}</a>' if anchor and column.name == linked else text
        yield f'<td class="{column.kind}"{order}>{content}</td>'


def _style() -> str:
    """The rules that all reports share, with the colours for light and for dark surroundings."""
    dark = f"@media screen and (prefers-color-scheme: dark){{:root{{{palette.variables(palette.DARK)}}}}}"
    return f":root{{{palette.variables(palette.LIGHT)}}}\n{dark}\n{resource(_PLACE, 'page.css')}{chart_style()}"
