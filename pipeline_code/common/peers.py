"""The other hosts of a job: where they are, and what they tell each other, a line a message."""

import json
import select
import socket
import time
from typing import Any

__all__ = ["Peer", "address_of"]

POLL_SECONDS = 0.5


class Peer:
    """Another host, at the other end of a connection; all that it is told or says is JSON.

    Raises:
        RuntimeError: From every method: the other host is gone.
    """

    def __init__(self, connection: socket.socket, name: str) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.settimeout(None)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self.name = name

    def send(self, message: dict[str, Any]) -> None:
        """Tells it something."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> dict[str, Any]:
        """What it says next; waits for it."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise self._lost() from error
        if not line:
            raise self._lost()
        said: dict[str, Any] = json.loads(line)
        return said

    def has_said_something(self, seconds: float) -> bool:
        """Whether there is something to receive, if only the end; waits so long for it."""
        return bool(select.select([self._connection], [], [], seconds)[0])

    def _lost(self) -> RuntimeError:
        return RuntimeError(
            f"{self.name} must stay until the end, got its connection closed; its log says why"
        )


def address_of(name: str, patience_seconds: float) -> str:
    """A host's address, once its name is known: hosts are named while they start.

    Raises:
        RuntimeError: It is not known within so long.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return socket.gethostbyname(name)
        except socket.gaierror as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} must have an address, got none: {error}") from error
            time.sleep(POLL_SECONDS)
