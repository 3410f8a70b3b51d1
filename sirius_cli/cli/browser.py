"""``sirius chat --web``: the dashboard in a browser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sirius_cli.cli import diagnostics
from sirius_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sirius_cli.core.profile import Profile
    from sirius_cli.services.session import ModelChoice


def serve(choice: "ModelChoice", profile: "Profile", port: int) -> ExitCode:
    """Serve dashboards with the options of this command line, until the user has had enough.

    Raises:
        SiriusError: if the extra is not installed, the port is taken or the model cannot be had.
    """
    from sirius_cli.services import python_process, web
    from sirius_cli.services.engine_process import EngineProcess

    tab = python_process.command("sirius_cli", *sys.argv[1:])
    web.serve(lambda door: EngineProcess(choice, profile, listen=door), tab, port, diagnostics.note)
    return ExitCode.OK


def engine_of_tab() -> Path | None:
    """Where the engine listens that this dashboard is to ask, if it is that of a browser's tab."""
    from sirius_cli.services.web_address import ENGINE_SOCKET

    found = os.environ.get(ENGINE_SOCKET)
    return Path(found) if found else None
