"""How modules of ours are started as processes of their own."""

import os
import sys
from pathlib import Path

import sirius_cli


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs ``module`` in this Python."""
    # -P: a file in the working folder must not stand in for a library.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's environment, in which the package is found wherever the process starts."""
    package_root = str(Path(sirius_cli.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (package_root, inherited)))}
