"""A conversation, line by line. Answers go to standard output, all else to standard error."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sirius_cli.cli import diagnostics, failures, turn
from sirius_cli.cli.stream import Sink
from sirius_cli.config import locations
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode
from sirius_cli.services import chat_commands
from sirius_cli.services.answer import Answer, metrics_to_json
from sirius_cli.services.chat_commands import Setup
from sirius_cli.services.session import Session

_PROMPT = ">>> "
_HISTORY_LINES = 1000


class Repl:
    """Reads lines, runs commands, asks the session."""

    def __init__(self, session: Session, look: turn.Look, sinks: list[Sink], setup: Setup) -> None:
        self._session = session
        self._look = look
        self._sinks = sinks
        self._setup = setup
        self._last: Answer | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/set": self._set,
            "/show": self._show,
            "/system": self._system,
            "/clear": self._clear,
            "/retry": self._retry,
            "/stats": self._stats,
            "/bye": self._bye,
        }

    def run(self) -> ExitCode:
        """Talk until the user leaves."""
        diagnostics.note(f"{self._session.engine.loaded.model}; /help lists the commands, Ctrl-D leaves")
        with _line_editing():
            for line in _lines():
                try:
                    self._do(line)
                except EOFError:
                    break
                except Exception as error:
                    if failures.explain(error) is None:
                        raise
                    diagnostics.error(failures.explain(error) or error)
        return ExitCode.OK

    def _do(self, line: str) -> None:
        command = chat_commands.split(line, chat_commands.COMMANDS)
        if command is None:
            self._ask(line)
        else:
            self._commands[command[0]](command[1])

    def _ask(self, prompt: str) -> None:
        self._last = turn.play(self._session, prompt, self._look, self._sinks)

    def _use(self, setup: Setup) -> None:
        self._setup = setup
        self._session.spec = setup.spec
        self._session.engine.profile = setup.resolved.profile

    def _help(self, rest: str) -> None:
        _note_lines([f"{name:<8} {text}" for name, text in chat_commands.COMMANDS.items()])

    def _set(self, rest: str) -> None:
        self._use(chat_commands.change(self._setup, rest, os.environ))

    def _show(self, rest: str) -> None:
        _note_lines(chat_commands.table(chat_commands.describe(self._setup, self._session.engine.loaded)))

    def _system(self, rest: str) -> None:
        self._use(chat_commands.with_system(self._setup, rest))

    def _clear(self, rest: str) -> None:
        self._session.clear()

    def _retry(self, rest: str) -> None:
        prompt = self._session.take_back()
        if prompt is None:
            raise UsageError("there is nothing to retry yet")
        self._use(chat_commands.for_retry(self._setup))
        self._ask(prompt)

    def _stats(self, rest: str) -> None:
        if self._last is None:
            raise UsageError("there is no answer yet")
        _note_lines(chat_commands.table(metrics_to_json(self._last.metrics)))

    def _bye(self, rest: str) -> None:
        raise EOFError


def _note_lines(lines: Sequence[str]) -> None:
    for line in lines:
        diagnostics.note(line)


def _lines() -> Iterator[str]:
    """The lines that the user enters, blank ones left out. Ctrl-C drops a line, Ctrl-D ends them."""
    while True:
        try:
            line = input(_PROMPT).strip()
        except KeyboardInterrupt:
            diagnostics.note("\nCtrl-D or /bye leaves")
        except EOFError:
            diagnostics.note("")
            return
        else:
            if line:
                yield line


@contextmanager
def _line_editing() -> Iterator[None]:
    """Editing and a history that only the user can read, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = locations.home() / "history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            readline.write_history_file(path)
