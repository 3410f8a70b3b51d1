"""Draws the progress of a service on standard error: a bar on a terminal, else one line for each stage."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sirius_cli.cli import diagnostics, terminal
from sirius_cli.services.progress import Progress, ProgressEvent


@contextmanager
def progress_display(*, plain: bool = False) -> Iterator[Progress]:
    """A callable for ``progress=`` of a service. Nothing appears before its first event; a bar goes when it ends."""
    if plain or not terminal.abilities(sys.stderr).ansi:
        yield _one_line_each()
        return
    with _bar() as draw:
        yield draw


def _one_line_each() -> Progress:
    seen: set[str] = set()

    def note(event: ProgressEvent) -> None:
        if event.stage not in seen and not event.fleeting:
            seen.add(event.stage)
            diagnostics.note(event.stage)

    return note


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    bars = Bars(*columns, console=diagnostics.console(), transient=True)
    task = bars.add_task("", start=False, total=None, amount="")
    stage = ""

    def draw(event: ProgressEvent) -> None:
        nonlocal stage
        if event.stage != stage:
            stage = event.stage
            bars.reset(task, total=event.total, description=terminal.one_line(stage), amount="")
            bars.start()
        bars.update(task, completed=event.done, total=event.total, amount=_amount(event))

    try:
        yield draw
    finally:
        bars.stop()


def _amount(event: ProgressEvent) -> str:
    if not event.total:
        return ""
    if not event.unit:
        return f"{event.done / 1e6:.0f} of {event.total / 1e6:.0f} MB"
    left = "" if event.remaining is None else ", {}:{:02d} left".format(*divmod(round(event.remaining), 60))
    return f"{event.done} of {event.total} {event.unit}{left}"
