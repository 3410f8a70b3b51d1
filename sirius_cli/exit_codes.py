"""Exit codes of the command line. They are part of the public interface."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    BUG = 1
    USAGE = 2
    ENVIRONMENT = 3
    MODEL_OR_DATA = 4
    CHECK_FAILED = 5
    INTERRUPTED = 130
