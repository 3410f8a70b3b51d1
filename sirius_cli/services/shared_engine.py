"""An engine's process that somebody else has started, for one of several front ends."""

import socket
from pathlib import Path

from sirius_cli.core.profile import Profile
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services import engine_protocol as protocol
from sirius_cli.services.engine_client import EngineClient
from sirius_cli.services.engine_protocol import Command
from sirius_cli.services.line_channel import LineChannel
from sirius_cli.services.session import ModelChoice


class SharedEngine(EngineClient):
    """A :class:`~sirius_cli.services.feed.Feed` over the socket at ``path``, where an ``EngineProcess`` listens.

    ``choice`` has to be the one that the process was started with. To give up the loading of the model is to leave:
    others may wait for it.
    """

    def __init__(self, choice: ModelChoice, profile: Profile, path: Path) -> None:
        super().__init__(choice, profile, lambda: _SocketLink(path))


class _SocketLink:
    def __init__(self, path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise EnvironmentProblem(f"no engine listens at {path}", "start the shared engine again") from error
        self.channel: LineChannel[Command] = LineChannel(connection, protocol.encode)
        self._given_up = False

    def give_up(self) -> None:
        self._given_up = True
        self.channel.close()

    def farewell(self) -> str:
        return "left before the model was ready" if self._given_up else "the shared engine has ended"

    def close(self) -> None:
        self.channel.close()
