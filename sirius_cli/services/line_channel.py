"""Lines over a connected socket. Nobody who sends ever waits for the other side."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from time import sleep
from typing import Generic, TypeVar

T = TypeVar("T")
_BATCH = 256  # messages that are written together at most
_GATHER = 0.03  # seconds that the first of them waits for others


class LineChannel(Generic[T]):
    """``send`` queues messages, a thread encodes and writes them; ``lines`` gives what the other side writes."""

    def __init__(self, connection: socket.socket, encode: Callable[[T], bytes]) -> None:
        self._connection = connection
        self._encode = encode
        self._waiting: SimpleQueue[T | None] = SimpleQueue()
        self._open = True
        self._writer = Thread(target=self._write, name="channel writer", daemon=True)
        self._writer.start()

    def send(self, message: T) -> None:
        """Queue ``message``. Once the other side has gone, it is dropped."""
        if self._open:
            self._waiting.put(message)

    def lines(self) -> Iterator[bytes]:
        """Wait for lines until the other side has gone or ``close`` is called. A torn last line is left out."""
        with suppress(OSError), self._connection.makefile("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def finish(self, timeout: float) -> None:
        """Write what is queued, for at most ``timeout`` seconds, and close."""
        self._waiting.put(None)
        self._writer.join(timeout)
        self.close()

    def close(self) -> None:
        """End the connection; ``lines`` ends, on both sides."""
        self._open = False
        self._waiting.put(None)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _write(self) -> None:
        while (message := self._waiting.get()) is not None:
            sleep(_GATHER)
            batch, ended = self._batch(message)
            try:
                self._connection.sendall(b"".join(map(self._encode, batch)))
            except OSError:
                self._open = False
                return
            if ended:
                return

    def _batch(self, first: T) -> tuple[list[T], bool]:
        """``first`` and what waits behind it, and whether that was the last."""
        batch = [first]
        with suppress(Empty):
            while len(batch) < _BATCH:
                if (message := self._waiting.get_nowait()) is None:
                    return batch, True
                batch.append(message)
        return batch, False
