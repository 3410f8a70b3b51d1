"""From any exception to one line on standard error and an exit code."""

import os
import traceback
from contextlib import suppress

from sirius_cli.cli import diagnostics, output
from sirius_cli.errors import SiriusError, UsageError
from sirius_cli.exit_codes import ExitCode
from sirius_cli.services import failures


def debugging() -> bool:
    """Whether ``SIRIUS_DEBUG`` asks for tracebacks."""
    return os.environ.get("SIRIUS_DEBUG", "0") not in ("", "0")


def report(problem: BaseException) -> ExitCode:
    """Tell the user about ``problem`` and give the exit code."""
    if isinstance(problem, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(problem, output.PipeClosedError):
        return ExitCode.OK
    if type(problem).__name__ == "NoArgsIsHelpError":  # Typer's, and no error: the help is its message
        diagnostics.note(str(problem))
        return ExitCode.USAGE
    told = explain(problem) or failures.report_bug(problem)
    with suppress(output.PipeClosedError):
        if debugging():
            diagnostics.note("".join(traceback.format_exception(problem)).rstrip())
        diagnostics.error(told)
    return told.exit_code


def explain(problem: BaseException) -> SiriusError | None:
    """The error that ``problem`` amounts to for the user; None if it is a bug of ours."""
    from typer.exceptions import TyperException

    return _usage(problem) if isinstance(problem, TyperException) else failures.explain(problem)


def _usage(problem: Exception) -> UsageError:
    message = getattr(problem, "format_message", problem.__str__)().rstrip(".")
    context = getattr(problem, "ctx", None)
    return UsageError(message, f"see '{context.command_path} --help'" if context else "")
