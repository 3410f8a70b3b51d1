"""The front ends that one engine's process serves."""

from threading import Lock

from sirius_cli.services.feed import FeedItem
from sirius_cli.services.lanes import Lanes
from sirius_cli.services.line_channel import LineChannel


class Client:
    """One front end. ``lanes`` are its own once it has asked something."""

    def __init__(self, channel: LineChannel[FeedItem]) -> None:
        self.channel = channel
        self.lanes: Lanes | None = None


class Audience:
    """All clients, and what they know of the model: who comes late is told how far it is."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: list[Client] = []
        self._state: FeedItem | None = None

    def join(self, client: Client) -> None:
        """Let ``client`` hear what is announced, the latest of it at once."""
        with self._lock:
            self._clients.append(client)
            if self._state is not None:
                client.channel.send(self._state)

    def leave(self, client: Client) -> None:
        """``client`` has gone."""
        with self._lock:
            self._clients.remove(client)
        client.channel.close()

    def announce(self, item: FeedItem) -> None:
        """Tell everybody where the model is."""
        with self._lock:
            self._state = item
            for client in self._clients:
                client.channel.send(item)

    def dismiss(self, timeout: float) -> None:
        """Let what was said arrive, for at most ``timeout`` seconds a client, and close."""
        with self._lock:
            for client in self._clients:
                client.channel.finish(timeout)
