"""Tables as GitHub's Markdown. Nothing that a model wrote is taken for markup."""

import re
from collections.abc import Iterable, Sequence

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.reports.table import Column, Table, Value, shown

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+\-.!|~$&@:/^=]")


def render(title: str, about: Sequence[tuple[str, str]], tables: Iterable[Table], notes: Iterable[str] = ()) -> str:
    """The whole document; ``notes`` are paragraphs of ours at its end."""
    head = [f"# {_escaped(title)}", "", *(f"- {_escaped(name)}: {_escaped(value)}" for name, value in about)]
    ending = [line for note in notes for line in ("", _escaped(note))]
    return "\n".join([*head, *(line for table in tables for line in _table(table)), *ending]) + "\n"


def _table(table: Table) -> list[str]:
    if not table.rows:
        return ["", f"## {_escaped(table.title)}", "", "None."]
    rules = [":--" if column.kind in ("text", "token") else "--:" for column in table.columns]
    labels = [column.label for column in table.columns]
    rows = [[_cell(value, column) for value, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return ["", f"## {_escaped(table.title)}", "", *(f"| {' | '.join(row)} |" for row in [labels, rules, *rows])]


def _cell(value: Value, column: Column) -> str:
    text = shown(value, column.kind)
    return _escaped(text) if isinstance(value, str) and column.kind != "composed" else text


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", one_line(text))
