"""What the engine's process and its libraries print: kept in a file of bounded size, the end of it at hand."""

from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO

_LIMIT = 200_000  # bytes of one log
_KEPT = 5  # logs of earlier processes
_LINES = 50  # the end that is at hand
_LONGEST = 2000  # bytes of a line; a progress bar is one line without an end
_FATAL = "Fatal Python error"


class EngineLog:
    """The log of the process ``pid`` in ``folder``. A log that nothing was printed to is no file.

    What a full disk or a folder that is not writable does not take is left out: there is nobody to tell.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self.path = folder / f"engine-{pid}.log"
        self._tail: deque[str] = deque(maxlen=_LINES)
        self._fatal = ""
        self._written = 0

    def keep(self, output: IO[bytes]) -> None:
        """Read ``output`` to its end."""
        while line := output.readline(_LONGEST):
            self._remember(line.decode(errors="replace").strip())
            with suppress(OSError):
                self._write(line)

    def last_words(self) -> str:
        """The line that tells most about a crash, and where the rest is; empty if nothing was printed."""
        told = self._fatal or next((line for line in reversed(list(self._tail)) if line), "")
        if not told:
            return ""
        return f": {told}; see {self.path}" if self.path.exists() else f": {told}"

    def _remember(self, line: str) -> None:
        self._tail.append(line)
        if line.startswith(_FATAL):
            self._fatal = line

    def _write(self, line: bytes) -> None:
        if self._written + len(line) > _LIMIT:
            self._start(b"... what was printed before has been left out\n" + b"".join(self._end()))
        elif self._written == 0:
            _sweep(self.path.parent)
            self._start(line)
        else:
            self._append(line)

    def _end(self) -> list[bytes]:
        return [line.encode() + b"\n" for line in self._tail]

    def _start(self, content: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(content)
        self._written = len(content)

    def _append(self, line: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(line)
        self._written += len(line)


def _sweep(folder: Path) -> None:
    """Delete all but the newest logs of earlier processes."""
    logs = sorted(folder.glob("engine-*.log"), key=lambda path: path.stat().st_mtime)
    for path in logs[: -(_KEPT - 1)]:
        path.unlink(missing_ok=True)
