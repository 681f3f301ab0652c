"""The recovery of model servers after a restart."""

import socket
import time
from urllib.parse import urlsplit


def wait_until_served(endpoint_url: str) -> None:
    """Servers need the embedded AWS, which begins to listen after its services are set up."""
    parts = urlsplit(endpoint_url)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
