"""The dashboard in a browser: each tab runs a dashboard of its own, all ask one engine.

Whoever can open the page can type into it. So it is served on the loopback interface alone, to browsers that bring the
secret of the printed address, and never to pages of another origin.
"""

import asyncio
import shlex
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.services.feed import Feed, Gone, Problem
from sirius_cli.services.web_address import ENGINE_SOCKET, Address, free_port

_LOOK_EVERY_S = 0.25
_RESTART_PAUSE_S = 2.0


class Server(Protocol):
    """Serves until it is told to stop."""

    def serve(self) -> None: ...


def serve(engine_at: Callable[[Path], Feed], tab: Sequence[str], port: int, tell: Callable[[str], None]) -> None:
    """Serve dashboards until SIGINT or SIGTERM.

    Args:
        engine_at: makes the engine that all share, which listens at the path.
        tab: the command of a tab's dashboard, which finds the engine through ``ENGINE_SOCKET``.
        port: 0 takes any that is free.
        tell: is told the address once it can be opened, and what happens to the engine.

    Raises:
        EnvironmentProblem: if the extra "web" is not installed, or the port is taken.
        ModelError: if the model cannot be had.
    """
    make = _server_class()
    address = Address(free_port(port))
    with tempfile.TemporaryDirectory(prefix="sirius-") as folder:
        door = Path(folder) / "engine"
        engine = engine_at(door)
        keeper = EngineKeeper(engine, door, tell)
        command = shlex.join(["env", f"{ENGINE_SOCKET}={door}", *tab])
        engine.start()
        try:
            make(command, address, lambda: keeper.keep(address.url)).serve()
        finally:
            engine.close()
    if keeper.problem is not None:
        raise ModelError(keeper.problem.message, keeper.problem.hint)


class EngineKeeper:
    """Starts the engine again when it ends. ``problem`` tells why it cannot be started at all."""

    def __init__(
        self, engine: Feed, door: Path, tell: Callable[[str], None], *, pause: float = _RESTART_PAUSE_S
    ) -> None:
        self._engine = engine
        self._door = door
        self._tell = tell
        self._pause = pause
        self.problem: Problem | None = None

    async def keep(self, url: str) -> None:
        """Tell ``url`` once tabs can reach the engine. Returns when there is a problem."""
        told = False
        while self.problem is None:
            await self._look()
            if not told and self._door.exists():
                self._tell(f"open {url} in a browser, Ctrl-C ends")
                told = True
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self) -> None:
        for item in self._engine.drain():
            if isinstance(item, Problem):
                self.problem = item
            elif isinstance(item, Gone):
                self._tell(f"{item.reason}; the engine is started again")
                await asyncio.sleep(self._pause)
                self._engine.start()


def _server_class() -> Callable[[str, Address, Callable[[], Awaitable[None]]], Server]:
    try:
        from sirius_cli.services.web_server import GuardedServer
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(f"{error.name} is not installed", 'run pip install "sirius-llm[web]"') from error
    return GuardedServer
