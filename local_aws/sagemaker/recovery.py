"""What a run of the embedded AWS does about the servers of the run before it."""

import os
import signal
import socket
import time
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from local_aws.sagemaker.context import Context


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


def end_orphans(context: Context) -> None:
    """End servers of a run that was killed; nobody would ever stop them."""
    root = str(context.ml_dir / "endpoints")
    for process in psutil.process_iter():
        try:
            if process.environ().get("SAGEMAKER_BASE_DIR", "").startswith(root):
                os.kill(process.pid, signal.SIGKILL)
        except (psutil.Error, OSError):
            continue
