"""Feature Store with an assassin in front: who writes to it is killed when the write is done."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import psutil

from operations.target import Target

VARIABLE = "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME"


class Assassin:
    """A proxy of the online store; `kills` counts whom it killed, at most `times`."""

    def __init__(self, upstream: str, times: int) -> None:
        self._upstream = urlsplit(upstream)
        self._left = threading.Semaphore(times)
        self.kills = 0
        assassin = self

        class Proxy(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = assassin.forward(self.path, dict(self.headers), body)
                if self.path == "/BatchWriteRecord" and assassin.kill(self.client_address[1]):
                    return
                self.send_response(answer.status)
                content = answer.read()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Assassin":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forward(self, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
        """The store's answer; the headers are signed, the host among them, so they stay."""
        connection = http.client.HTTPConnection(str(self._upstream.netloc))
        connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()

    def kill(self, port: int) -> bool:
        """Kills the process at the other end of a connection, if there is one left to kill."""
        if not self._left.acquire(blocking=False):
            return False
        for each in psutil.net_connections("tcp"):
            if each.laddr and each.laddr.port == port and each.pid not in (None, os.getpid()):
                os.kill(each.pid, signal.SIGKILL)
                self.kills += 1
                return True
        raise AssertionError(f"no process has port {port}")


@contextmanager
def killed_when_it_writes(target: Target, function: str, *, times: int) -> Iterator[Assassin]:
    """Has a deployed function reach the online store through an assassin."""
    name, client = target.output(function), target.client("lambda")
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    with Assassin(target.variables["AWS_ENDPOINT_URL"], times) as assassin:
        _configure(client, name, before | {VARIABLE: assassin.url})
        try:
            yield assassin
        finally:
            _configure(client, name, before)


def _configure(client: Any, name: str, variables: dict[str, str]) -> None:
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    while client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
        time.sleep(0.05)
