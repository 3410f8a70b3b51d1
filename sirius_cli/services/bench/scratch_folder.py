"""An empty folder that goes again, whatever was done in it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def scratch_folder() -> Iterator[str]:
    """The real path of a new folder that only the user can enter.

    Raises:
        OSError: it cannot be made or removed.
    """
    outer = Path(tempfile.mkdtemp(prefix="sirius-")).resolve()
    folder = outer / "program"
    try:
        folder.mkdir()
        yield str(folder)
    finally:
        _remove(outer, folder)


def _remove(outer: Path, folder: Path) -> None:
    """Folders move beside their parent before they are emptied: no depth is too deep, and no path too long."""
    names = map(str, count())
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        with os.scandir(current) as entries:
            waiting += [_moved(entry, outer / next(names)) for entry in entries if _emptied(entry)]
        current.rmdir()
    outer.rmdir()


def _emptied(entry: "os.DirEntry[str]") -> bool:
    """Whether ``entry`` is a folder; anything else is gone."""
    if entry.is_dir(follow_symlinks=False):
        return True
    os.unlink(entry)
    return False


def _moved(entry: "os.DirEntry[str]", place: Path) -> Path:
    os.chmod(entry, 0o700)  # the program may have closed it even to us
    os.rename(entry, place)
    return place
