"""The engine's process: loads a model, answers the questions of one or several front ends.

``python -m sirius_cli.services.engine_worker FD [--listen PATH]``: FD is the owner's end of a socket pair; its first
line says which model. The process ends with its owner. On a Unix socket at PATH further clients are let in, each with
lanes of its own; their questions are answered in turn, so that one model in memory serves several windows.
"""

import argparse
import faulthandler
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread, get_ident
from types import FrameType

from sirius_cli.core.events import Finished
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services import engine_protocol as protocol
from sirius_cli.services import session
from sirius_cli.services.audience import Audience, Client
from sirius_cli.services.engine_protocol import Ask, Cancel, Command, Open, ProtocolError
from sirius_cli.services.feed import Happened, Loading, Problem, Ready, Working
from sirius_cli.services.lanes import Lanes, problem
from sirius_cli.services.line_channel import LineChannel
from sirius_cli.services.memory import resident_bytes
from sirius_cli.services.progress import ProgressEvent, throttled
from sirius_cli.services.question_queue import QuestionQueue, Ticket
from sirius_cli.services.session import Engine

_PATIENCE = 0.4  # seconds in which a fetch or an answer may clean up behind itself
_FAREWELL = 5.0  # seconds that the last words may take to be written
_OTHERS = 0o077  # what a folder's mode must not allow


def main() -> None:
    """Serve until the owner has gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("owner", type=int)
    parser.add_argument("--listen", type=Path)
    arguments = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the front end
    signal.signal(signal.SIGTERM, _on_terminate)
    _yield_cores()
    owner = socket.socket(fileno=arguments.owner)
    owner.set_inheritable(False)
    with suppress(SystemExit):
        EngineWorker().run(owner, arguments.listen)
    os._exit(0)  # libraries take their time to end, and have nothing to save


class EngineWorker:
    """The main thread loads and answers; each client has a thread that listens to it."""

    def __init__(self) -> None:
        self._audience = Audience()
        self._questions: QuestionQueue[Client] = QuestionQueue()
        self._main = get_ident()

    def run(self, owner: socket.socket, listen: Path | None) -> None:
        """Load the owner's model and answer until the owner has gone. Returns if the model cannot be had."""
        client = Client(LineChannel(owner, protocol.encode))
        self._audience.join(client)
        lines = client.channel.lines()
        try:
            opening = _opening(lines)
            Thread(target=self._serve_owner, args=(client, lines), daemon=True).start()
            with self._open_door(listen, opening):
                self._answer(self._load(opening))
        except Exception as error:
            self._audience.announce(problem(None, error))
            self._audience.dismiss(_FAREWELL)

    def _load(self, opening: Open) -> Engine:
        report = throttled(self._report)
        found = session.find_model(opening.choice, report)
        self._audience.announce(Loading(found.name))
        engine = session.load_engine(found, opening.choice, opening.profile, report)
        self._audience.announce(Ready(engine.loaded, engine.context, resident_bytes()))
        return engine

    def _report(self, event: ProgressEvent) -> None:
        self._audience.announce(Working(event.stage, event.done, event.total))

    def _answer(self, engine: Engine) -> None:
        while True:
            ticket = self._questions.next()
            client = ticket.client
            client.lanes = client.lanes or Lanes(engine)
            client.lanes.answer(ticket.number, ticket.question, ticket.is_cancelled, client.channel.send)

    def _serve_owner(self, client: Client, lines: Iterator[bytes]) -> None:
        for command in _commands(client, lines):
            if command == Cancel(None):
                break
            self._obey(client, command)
        signal.pthread_kill(self._main, signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)  # the main thread is deep in compiled code

    def _serve_guest(self, connection: socket.socket, opening: Open) -> None:
        client = Client(LineChannel(connection, protocol.encode))
        lines = client.channel.lines()
        try:
            _same_model(_opening(lines), opening)
        except (EnvironmentProblem, ProtocolError) as error:
            client.channel.send(problem(None, error))
            client.channel.finish(_FAREWELL)
            return
        self._audience.join(client)
        for command in _commands(client, lines):
            self._obey(client, command)
        self._questions.drop(client)
        self._audience.leave(client)

    def _obey(self, client: Client, command: Command) -> None:
        match command:
            case Ask(number, question):
                self._questions.put(Ticket(client, number, question))
            case Cancel(int(number)):
                if self._questions.cancel(client, number):
                    client.channel.send(Happened(number, Finished(row=0, at=0.0, reason="cancelled", tail="")))

    @contextmanager
    def _open_door(self, path: Path | None, opening: Open) -> Iterator[None]:
        """Let guests in at ``path`` while the block runs."""
        if path is None:
            yield
            return
        with socket.socket(socket.AF_UNIX) as door:
            _bind(door, path)
            Thread(target=self._let_in, args=(door, opening), daemon=True).start()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def _let_in(self, door: socket.socket, opening: Open) -> None:
        while True:
            connection, _ = door.accept()
            Thread(target=self._serve_guest, args=(connection, opening), daemon=True).start()


def _opening(lines: Iterator[bytes]) -> Open:
    command = protocol.decode_command(next(lines, b""))
    if not isinstance(command, Open):
        raise ProtocolError("the first line has to name the model")
    return command


def _commands(client: Client, lines: Iterator[bytes]) -> Iterator[Command]:
    """What ``client`` wants. A line that cannot be read is a problem of its question, or of nobody but the log."""
    for line in lines:
        try:
            yield protocol.decode_command(line)
        except ProtocolError as error:
            sys.stderr.write(f"a line that is no command: {error}\n")
            if error.number is not None:
                client.channel.send(Problem(error.number, f"the engine cannot read the question: {error}", ""))


def _same_model(wanted: Open, held: Open) -> None:
    if wanted.choice != held.choice:
        message = f"the shared engine holds {held.choice.model}, not {wanted.choice.model} as it was asked for"
        raise EnvironmentProblem(message, "start another one for other options")


def _bind(door: socket.socket, path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & _OTHERS:
            raise EnvironmentProblem(f"the folder {path.parent} is open to others", f"run `chmod 700 {path.parent}`")
        door.bind(str(path))
        door.listen()
    except OSError as error:
        message = f"cannot listen at {path}: {error.strerror or error}"
        raise EnvironmentProblem(message, "give a short path that is not taken") from error


def _yield_cores() -> None:
    """Let whoever draws have a core at once and for as long as it takes, which is a moment.

    Threads that compute without end and short pieces of drawing share cores badly otherwise: the scheduler moves the
    threads about, and a step waits for the slowest (docs/results/dashboard.md).
    """
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _on_terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit


if __name__ == "__main__":
    main()
