"""What the smoke test's endpoints run: a server that tells which variables it has.

It is the `sitecustomize` of a model's archive, which Python imports before anything of the image,
so that the environment's own image is what is hosted, and needs no model.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Others may hold what is nobody's business.
_TOLD = ("AWS_REGION", "AWS_DEFAULT_REGION", "SMOKE_")


class Handler(BaseHTTPRequestHandler):
    """Healthy, and open about its environment."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The ping."""
        self._answer(b"")

    def do_POST(self) -> None:
        """An invocation."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print("invoked", flush=True)
        told = {name: value for name, value in os.environ.items() if name.startswith(_TOLD)}
        self._answer(json.dumps(told).encode())

    def log_message(self, *_arguments: object) -> None:
        """Pings are no news."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM, which process 1 gets only by a handler."""
    signal.signal(signal.SIGTERM, lambda *_arguments: os._exit(0))
    host = os.environ.get("SAGEMAKER_BIND_HOST", "0.0.0.0")  # noqa: S104 - a container's network
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    print("began", flush=True)
    ThreadingHTTPServer((host, port), Handler).serve_forever()


if sys.orig_argv[-1:] == ["serve"]:
    main()
