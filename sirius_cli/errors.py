"""Errors that a user can act on. Each prints as one line and carries its exit code."""

from sirius_cli.exit_codes import ExitCode


class SiriusError(Exception):
    """A foreseen failure: what is wrong and where (``message``), and what to do next (``hint``)."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(SiriusError):
    """A wrong option, value or profile."""

    exit_code = ExitCode.USAGE


class EnvironmentProblem(SiriusError):
    """The machine lacks something: a device, an extra, memory, disk space."""

    exit_code = ExitCode.ENVIRONMENT


class ModelError(SiriusError):
    """A model or data file is missing, broken or unsupported."""

    exit_code = ExitCode.MODEL_OR_DATA


class CheckFailed(SiriusError):
    """A check that the user asked for did not hold."""

    exit_code = ExitCode.CHECK_FAILED
