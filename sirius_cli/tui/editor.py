"""The user's own editor, for a prompt."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sirius_cli.errors import EnvironmentProblem


def edit(text: str, env: Mapping[str, str]) -> str:
    """``text`` as it is after the user's editor was closed. The terminal is the editor's meanwhile.

    Raises:
        EnvironmentProblem: if the editor cannot run, or ends with an error.
    """
    command = shlex.split(env.get("VISUAL") or env.get("EDITOR") or "vi")
    descriptor, name = tempfile.mkstemp(prefix="sirius-prompt-", suffix=".md")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run([*command, name], check=True)
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"the editor {command[0]} failed: {error}", "set EDITOR to another one") from error
    finally:
        path.unlink(missing_ok=True)
