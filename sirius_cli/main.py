"""The console entry: runs the app and maps whatever happens to an exit code."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; ``sys.argv`` by default.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    finally:
        _release_streams()


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here so that Ctrl-C during the imports ends without a traceback too.
    from sirius_cli.cli import failures

    _prepare(failures.debugging())
    try:
        from sirius_cli.cli.app import app

        code = app(arguments, prog_name="sirius", standalone_mode=False)
    except Exception as problem:
        code = failures.report(problem)
    return int(code or 0)


def _prepare(debugging: bool) -> None:
    """Make no character unprintable, and keep other libraries' warnings off standard error."""
    import io
    import warnings

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not debugging and not sys.warnoptions:
        warnings.simplefilter("ignore")


def _release_streams() -> None:
    """Point streams that cannot be flushed at the null device: the interpreter flushes them again when it ends."""
    import os

    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
