"""Writing a report: whole, or not at all."""

import os
from pathlib import Path

from sirius_cli.errors import UsageError
from sirius_cli.services.saving import write_text


def save(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, as UTF-8; what was there stays until it is complete.

    Raises:
        UsageError: if no file can be made there.
    """
    try:
        write_text(path, text.encode(errors="backslashreplace").decode())
        if path.is_file():
            path.chmod(0o666 & ~_umask())  # a report is to be shown around, unlike a conversation
    except OSError as error:
        hint = "name a file in a folder that exists and is writable"
        raise UsageError(f"cannot write {path}: {error.strerror}", hint) from error


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
