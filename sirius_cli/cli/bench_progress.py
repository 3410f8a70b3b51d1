"""Shows where a benchmark stands, on standard error: a live bar on a terminal, else a line now and then."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sirius_cli.cli import diagnostics, terminal

if TYPE_CHECKING:
    from rich.progress import TaskID

    from sirius_cli.services.bench.quality.live import Standing

    Watch = Callable[[Standing], None]

_LINES = 10  # how often a method is told of where there is no bar


@contextmanager
def display() -> "Iterator[Watch]":
    """A callable that shows a :class:`Standing`. Bars stay when the block ends: they say how long each method took."""
    if not terminal.abilities(sys.stderr).ansi:
        yield _Lines().show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remaining]}", markup=False),
    )
    with Progress(*columns, console=diagnostics.console()) as bars:
        rows: dict[tuple[str, str], TaskID] = {}

        def show(standing: "Standing") -> None:
            name = (standing.task, standing.method)
            if name not in rows:
                rows[name] = bars.add_task(_title(standing), total=None, figures="", remaining="")
            bars.update(
                rows[name], completed=standing.done, total=standing.total,
                figures=figures(standing), remaining=_remaining(standing),
            )  # fmt: skip

        yield show


def figures(standing: "Standing") -> str:
    """What is known of a method so far, in a few words."""
    error = "" if standing.stderr is None else f" ± {standing.stderr:.3f}"
    parts = [
        None if standing.score is None else f"score {standing.score:.3f}{error}",
        None if standing.aal is None else f"AAL {standing.aal:.1f}",
        None if standing.density is None else f"density {standing.density:.2f}",
        None if standing.rate is None else f"{standing.rate:.1f} tok/s",
    ]
    return ", ".join(part for part in parts if part)


class _Lines:
    def __init__(self) -> None:
        self._told: dict[tuple[str, str], int] = {}

    def show(self, standing: "Standing") -> None:
        """Tell of every tenth of the way, and of the end."""
        name = (standing.task, standing.method)
        step = standing.done * _LINES // standing.total if standing.total else 0
        if self._told.get(name) != step:
            self._told[name] = step
            parts = [
                f"{_title(standing)}: {standing.done} of {standing.total}",
                figures(standing),
                _remaining(standing),
            ]
            diagnostics.note(", ".join(part for part in parts if part))


def _title(standing: "Standing") -> str:
    return terminal.one_line(f"{standing.task} · {standing.method}")


def _remaining(standing: "Standing") -> str:
    if standing.remaining is None or standing.done >= standing.total:
        return ""
    minutes, seconds = divmod(round(standing.remaining), 60)
    return f"{minutes}:{seconds:02d} left"
