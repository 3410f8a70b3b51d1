"""Recordings of the dashboard as asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3/).

A recording is a header and a line for each event, so that one which was cut off plays up to its end.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from textual.app import App
from textual.driver import Driver
from textual.theme import Theme

from sirius_cli.errors import EnvironmentProblem, UsageError

_VERSION = 3
# A player's terminal must not be asked for answers, nor told to report mouse, keys, pastes or its size.
_FOR_INPUT = re.compile(r"\x1b\[\?(?:100[0346]|101[56]|2004|2048)[hl]|\x1b\[\?\d+\$p|\x1b\[[<>=][\d;]*[uq]")


class Cast:
    """Writes one recording. The header waits for the first output, when the size is known."""

    def __init__(self, file: IO[str], theme: Theme, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._theme = theme
        self._clock = clock
        self._at = 0.0
        self._size: tuple[int, int] | None = None
        self.fault: OSError | None = None

    def output(self, data: str, columns: int, rows: int) -> None:
        """Record that ``data`` was drawn on a terminal of this size.

        A fault of the disk ends the recording, not what is recorded: it is kept in ``fault``.
        """
        if self.fault is not None or columns <= 0 or rows <= 0:
            return
        try:
            self._fit((columns, rows))
            if drawn := _FOR_INPUT.sub("", data):
                self._event("o", drawn)
        except OSError as error:
            self.fault = error

    def finish(self) -> None:
        """Record the end."""
        if self._size is not None and self.fault is None:
            try:
                self._event("x", "0")
            except OSError as error:
                self.fault = error

    def _fit(self, size: tuple[int, int]) -> None:
        if self._size is None:
            self._at = self._clock()
            self._line(_header(*size, self._theme))
        elif self._size != size:
            self._event("r", f"{size[0]}x{size[1]}")
        self._size = size

    def _event(self, code: str, data: str) -> None:
        before, self._at = self._at, self._clock()
        self._line([round(self._at - before, 6), code, data])

    def _line(self, value: Any) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.flush()


@contextmanager
def recorded(path: Path, theme: Theme, base: type[Driver] | None = None) -> Iterator[type[Driver]]:
    """A driver for an application whose screen is recorded in ``path``; ``base`` by default is Textual's own choice.

    Raises:
        UsageError: if the file cannot be opened.
        EnvironmentProblem: at the end, if the recording broke off.
    """
    try:
        file = path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write the recording {path}: {error.strerror}", "name another file") from error
    cast = Cast(file, theme)
    try:
        yield driver(base or App[None]().driver_class, cast)
        cast.finish()
    finally:
        # What was written is flushed; closing can only repeat a fault that is known.
        with suppress(OSError):
            file.close()
    if cast.fault is not None:
        raise EnvironmentProblem(f"the recording {path} broke off: {cast.fault.strerror}", "make room on the disk")


def driver(base: type[Driver], cast: Cast) -> type[Driver]:
    """``base``, with all that it writes recorded by ``cast`` as well."""
    write_on = base.write

    def write(self: Driver, data: str) -> None:
        write_on(self, data)
        cast.output(data, *self._app.size)

    return type("RecordingDriver", (base,), {"write": write})


def _header(columns: int, rows: int, theme: Theme) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "term": {"cols": columns, "rows": rows, "type": os.environ.get("TERM", ""), "theme": _colours(theme)},
        "timestamp": int(time.time()),
        "title": "sirius",
    }


def _colours(theme: Theme) -> dict[str, str]:
    """The terminal's own colours, which a player needs: those of the theme in the usual order of eight."""
    eight = (
        theme.panel,
        theme.error,
        theme.success,
        theme.warning,
        theme.primary,
        theme.accent,
        theme.secondary,
        theme.foreground,
    )
    return {"fg": str(theme.foreground), "bg": str(theme.background), "palette": ":".join(map(str, eight))}
