"""The engine in a process of its own: a front end that is busy drawing does not slow it down, nor end with it."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from sirius_cli.config import locations
from sirius_cli.core.profile import Profile
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services import engine_protocol as protocol
from sirius_cli.services import python_process
from sirius_cli.services.engine_client import EngineClient
from sirius_cli.services.engine_log import EngineLog
from sirius_cli.services.engine_protocol import Cancel, Command
from sirius_cli.services.line_channel import LineChannel
from sirius_cli.services.session import ModelChoice

WORKER = tuple(python_process.command("sirius_cli.services.engine_worker"))
_PATIENCE = 0.6  # seconds that the process has to end by itself
_DYING = 2.0  # seconds between the end of its socket and its own
_STOPPED = "stopped before the model was ready"


class EngineProcess(EngineClient):
    """A :class:`~sirius_cli.services.feed.Feed` that starts a process, which lives no longer than this one.

    Args:
        listen: a path at which the process serves other front ends too (``SharedEngine``), in a folder that only the
            user can enter.
        worker: the command of the process.
    """

    def __init__(
        self,
        choice: ModelChoice,
        profile: Profile,
        *,
        listen: Path | None = None,
        worker: Sequence[str] = WORKER,
    ) -> None:
        more = () if listen is None else ("--listen", str(listen))
        super().__init__(choice, profile, lambda: _ProcessLink(worker, more))


class _ProcessLink:
    def __init__(self, worker: Sequence[str], more: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _spawn([*worker, str(theirs.fileno()), *more], theirs.fileno())
            except OSError as error:
                ours.close()
                raise EnvironmentProblem(
                    f"cannot start the engine: {error.strerror}", "close other programs"
                ) from error
        self.channel: LineChannel[Command] = LineChannel(ours, protocol.encode)
        self._given_up = False
        self._log = EngineLog(locations.home() / "logs", self._process.pid)
        self._logger = Thread(target=self._keep_log, name="engine log", daemon=True)
        self._logger.start()

    def give_up(self) -> None:
        self._given_up = True
        self.channel.send(Cancel(None))

    def farewell(self) -> str:
        self._end(_DYING)
        self._logger.join(_DYING)
        return _STOPPED if self._given_up else f"{_cause(self._process.returncode)}{self._log.last_words()}"

    def close(self) -> None:
        self.channel.close()
        self._end(_PATIENCE)

    def _end(self, patience: float) -> None:
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _keep_log(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._log.keep(output)


def _spawn(command: Sequence[str], descriptor: int) -> "subprocess.Popen[bytes]":
    """What it and its libraries print must not reach the terminal; a session of its own keeps Ctrl-C away."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(descriptor,),
        start_new_session=True,
        env=python_process.environment(),
    )


def _cause(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the engine was killed, perhaps because memory ran out"
    if code < 0:
        return f"the engine crashed, {signal.strsignal(-code)}"
    return f"the engine ended with exit code {code}"
