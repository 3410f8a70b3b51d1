"""Serves a tiny application over a fake engine: ``python fake_web.py WORKER...``."""

import os
import sys
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Static

from sirius_cli.core.profile import Profile
from sirius_cli.services import web
from sirius_cli.services.engine_process import EngineProcess
from sirius_cli.services.feed import Ready
from sirius_cli.services.session import ModelChoice
from sirius_cli.services.shared_engine import SharedEngine
from sirius_cli.services.web_address import ENGINE_SOCKET

CHOICE = ModelChoice("fake")


class Tab(App[None]):
    """Says which engine answers."""

    def compose(self) -> ComposeResult:
        yield Static("waiting", id="said")

    def on_mount(self) -> None:
        self.engine = SharedEngine(CHOICE, Profile(), Path(os.environ[ENGINE_SOCKET]))
        self.engine.start()
        self.set_interval(0.05, self.look)

    def look(self) -> None:
        for item in self.engine.drain():
            if isinstance(item, Ready):
                self.query_one("#said", Static).update(f"tab 1 engine: {item.loaded.model}")


def main() -> None:
    if ENGINE_SOCKET in os.environ:
        Tab().run()
        return
    worker = sys.argv[1:]
    web.serve(
        lambda door: EngineProcess(CHOICE, Profile(), listen=door, worker=worker),
        [sys.executable, __file__],
        0,
        lambda text: print(text, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    main()
