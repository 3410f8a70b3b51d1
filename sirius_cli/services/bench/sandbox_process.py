"""A process under watch: a clock, pipes that never fill, and nothing left of it at the end."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from typing import IO, Protocol

_PIECE = 1 << 16
_REPORT_BYTES = 4096
_GLANCE = 0.05  # seconds of silence after which an end is looked for that the pipes do not tell


class Allowance(Protocol):
    """Seconds on the clock, bytes of output that are kept, and bytes at which the process is stopped."""

    @property
    def seconds(self) -> float: ...
    @property
    def output_bytes(self) -> int: ...
    @property
    def flood_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: exit status, or minus the signal that ended it.
        stopped: why it was ended from here, else empty.
        report: the beginning of what it wrote to its pipe.
        output: the end of what it printed, standard error included.
    """

    code: int
    stopped: str
    report: str
    output: str


class _Drain:
    """Reads a pipe and keeps ``keep`` bytes: the first ones, or the last."""

    def __init__(self, pipe: IO[bytes], keep: int, *, last: bool) -> None:
        self.descriptor = pipe.fileno()
        self.seen = 0
        self._kept, self._keep, self._last = b"", keep, last

    def read(self) -> bool:
        """Take a piece of what is there; false at the end."""
        piece = os.read(self.descriptor, _PIECE)
        self.seen += len(piece)
        kept = self._kept + piece
        self._kept = kept[max(0, len(kept) - self._keep) :] if self._last else kept[: self._keep]
        return bool(piece)

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


def supervise(
    command: Sequence[str], text: bytes, folder: str, environment: Mapping[str, str], allowance: Allowance
) -> Ended:
    """Run ``command`` in ``folder`` with ``text`` as standard input and, as last argument, the pipe to report to.

    Its process group is killed before this returns or raises.

    Raises:
        OSError: it cannot be started.
    """
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as pipe:
        with open(writing, "wb", buffering=0):
            process = _spawn([*command, str(writing)], text, folder, environment, writing)
        with _killed_at_last(process) as printed:
            report = _Drain(pipe, _REPORT_BYTES, last=False)
            output = _Drain(printed, allowance.output_bytes, last=True)
            stopped = _watch(process, report, output, allowance)
    return Ended(process.returncode, stopped, report.text(), output.text())


def _spawn(
    command: Sequence[str], text: bytes, folder: str, environment: Mapping[str, str], report: int
) -> "subprocess.Popen[bytes]":
    # A file and no pipe: nobody has to write while the other side may not read.
    with tempfile.TemporaryFile() as stored:
        stored.write(text)
        stored.seek(0)
        return subprocess.Popen(
            command,
            stdin=stored,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            pass_fds=(report,),
            start_new_session=True,
        )


@contextmanager
def _killed_at_last(process: "subprocess.Popen[bytes]") -> Iterator[IO[bytes]]:
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _watch(process: "subprocess.Popen[bytes]", report: _Drain, output: _Drain, allowance: Allowance) -> str:
    """Until the process has ended, or the reason to end it."""
    deadline = time.monotonic() + allowance.seconds
    with DefaultSelector() as selector:
        for drain in (report, output):
            selector.register(drain.descriptor, EVENT_READ, drain)
        while selector.get_map():
            silent = not _read(selector, min(_GLANCE, max(0.0, deadline - time.monotonic())))
            if output.seen > allowance.flood_bytes:
                return "output too long"
            if time.monotonic() > deadline:
                return "timed out"
            if silent and process.poll() is not None:
                return ""
    return _outlast(process, deadline)


def _read(selector: BaseSelector, patience: float) -> bool:
    """Whether anything came within ``patience`` seconds."""
    ready = selector.select(patience)
    for key, _ in ready:
        if not key.data.read():
            selector.unregister(key.fd)
    return bool(ready)


def _outlast(process: "subprocess.Popen[bytes]", deadline: float) -> str:
    """A program may close its pipes and go on."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "timed out"
    return ""
