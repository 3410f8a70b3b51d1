"""Runs a program that a model wrote and tells whether it came to its end. Executed by its text, without the package.

Standard input is a secret and the program. While the program runs, the secret lies in a call that is to be made after
it, on a list that only C code holds: no name leads there.
"""

import builtins
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from errno import EPERM
from functools import partial
from operator import call
from types import ModuleType, TracebackType
from typing import Any

Hook = Callable[[str, tuple[Any, ...]], None]

SECRET_BYTES = 32
TOLD_CHARACTERS = 500
NAME = "<program>"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

REFUSED = frozenset(
    (
        *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"),
        *("subprocess.Popen", "os.killpg", "resource.prlimit", "resource.setrlimit"),
        *("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname"),
        *("socket.getnameinfo", "socket.sendmsg", "socket.sendto"),
        *("os.chflags", "os.chmod", "os.chown", "os.removexattr", "os.setxattr", "os.truncate", "os.utime"),
        *("gc.get_objects", "gc.get_referents", "gc.get_referrers", "sys._current_exceptions", "sys._current_frames"),
        *("sys.addaudithook", "sys.remote_exec", "sys.settrace", "cpython.PyInterpreterState_New"),
    )
)
MODULES = frozenset({"_ctypes", "_interpreters", "_testcapi", "_testinternalcapi", "_xxsubinterpreters"})

# Which of an event's arguments are paths that it changes.
CHANGES = {
    "os.link": slice(2),
    "os.mkdir": slice(1),
    "os.remove": slice(1),
    "os.rename": slice(2),
    "os.rmdir": slice(1),
    "os.symlink": slice(1, 2),
    "sqlite3.connect": slice(1),
}
LISTS = frozenset({"os.listdir", "os.scandir"})


def main() -> None:
    """Arguments: the pipe to report to, and what may be read besides the folder it starts in."""
    report, *readable = sys.argv[1:]
    sys.argv = [NAME]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # as site would, which is not imported
    say = partial(os.write, int(report))
    sys.addaudithook(guard(os.getcwd(), readable))
    say(b"started\n")
    try:
        list(map(call, _calls(say)))
    except BaseException as error:
        say(_told(error))
    os._exit(1)


def guard(folder: str, readable: Sequence[str]) -> Hook:
    """An audit hook that raises PermissionError.

    What keeps the secret is in its defaults: the traceback of its error leads to its frame and to the globals, and so
    to the rules for paths, but not to the function.
    """
    pid, own = os.getpid(), (folder, os.devnull)

    def hook(
        event: str,
        arguments: tuple[Any, ...],
        *,
        refused: frozenset[str] = REFUSED,
        modules: frozenset[str] = MODULES,
    ) -> None:
        if (
            event in refused
            or event.startswith("ctypes.")
            or (event == "import" and arguments[0] in modules)
            or (event == "os.kill" and arguments[0] != pid)
            or _outside(event, arguments, own, (*own, *readable))
        ):
            raise PermissionError(EPERM, f"not allowed: {event}")

    return hook


def _outside(event: str, arguments: tuple[Any, ...], own: Sequence[str], seen: Sequence[str]) -> bool:
    """Whether ``event`` changes something beyond ``own`` or reads something beyond ``seen``."""
    if event == "open":
        path, mode, flags = arguments
        # Without a mode it is os.open, whose result may be the folder of a later change.
        return not _within(path, own if mode is None or flags & WRITING else seen)
    if event in CHANGES:
        return not all(_within(path, own) for path in arguments[CHANGES[event]])
    return event in LISTS and not _within(arguments[0], seen)


def _within(path: Any, places: Sequence[str]) -> bool:
    if path is None or isinstance(path, int):
        return True  # the folder it is in, and what is open already
    real = os.path.realpath(os.fsdecode(path))
    return any(real == place or real.startswith(place + os.sep) for place in places)


def _calls(say: Callable[[bytes], int]) -> list[Callable[[], object]]:
    """The program, what is said after it, and the end. Raises what a compiler does."""
    with open(0, "rb") as given:
        text = given.read()
    os.open(os.devnull, os.O_RDONLY)  # becomes descriptor 0, which is free now
    code = compile(text[SECRET_BYTES:].decode("utf-8", "surrogatepass"), NAME, "exec", dont_inherit=True)
    module = sys.modules["__main__"] = ModuleType("__main__")
    return [partial(exec, code, vars(module)), partial(say, text[:SECRET_BYTES]), partial(os._exit, 0)]


def _told(error: BaseException) -> bytes:
    if isinstance(error, SystemExit):
        return b"exit"
    if isinstance(error, MemoryError):
        return b"memory"
    text = ": ".join(filter(None, (f"{type(error).__name__}{_place(error)}", str(error))))
    return text[:TOLD_CHARACTERS].encode("utf-8", "backslashreplace")


def _place(error: BaseException) -> str:
    steps = list(_steps(error.__traceback__))
    return f" at line {steps[-1]}" if steps else ""


def _steps(traceback: TracebackType | None) -> Iterator[int]:
    """The lines of the program on the way to an error."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == NAME:
            yield traceback.tb_lineno
        traceback = traceback.tb_next


if __name__ == "__main__":
    main()
