"""Where the dashboard is served, and who may come in."""

import secrets
import socket
from dataclasses import dataclass, field
from hmac import compare_digest

from sirius_cli.errors import EnvironmentProblem, UsageError

ENGINE_SOCKET = "SIRIUS_ENGINE_SOCKET"
"""The variable that tells the dashboard of a tab where the engine listens."""
HOST = "127.0.0.1"
SECRET = "secret"
"""The query's field, and the cookie, that carry the secret."""
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is. ``secret`` keeps out other users of this machine."""

    port: int
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def place(self) -> str:
        """Host and port, as a browser sends them."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """What the user opens."""
        return f"http://{self.place}/?{SECRET}={self.secret}"

    def admits(self, *, host: str | None, origin: str | None, secret: str) -> bool:
        """Whether a request may be answered.

        Args:
            host: the header; any other name could be one that a page elsewhere has bound to this machine.
            origin: the header, which browsers send with every WebSocket.
            secret: what the query or the cookie brought.
        """
        at_home = host == self.place and origin in (None, f"http://{self.place}")
        return at_home and compare_digest(secret.encode(errors="replace"), self.secret.encode())


def free_port(wanted: int) -> int:
    """``wanted`` if it is free, for 0 any that is.

    Raises:
        UsageError: if there is no such port.
        EnvironmentProblem: if it is taken.
    """
    if not 0 <= wanted <= _HIGHEST_PORT:
        raise UsageError(f"port cannot be {wanted}", f"give a number from 0 to {_HIGHEST_PORT}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise EnvironmentProblem(f"cannot use port {wanted}: {error.strerror}", "give another --port") from error
        return int(probe.getsockname()[1])
