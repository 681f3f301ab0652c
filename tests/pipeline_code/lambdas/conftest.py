"""Lambda handlers are imported as Lambda does it: with `pipeline_code/lambdas` as the root."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber

import pipeline_code
from local_aws.server import EmbeddedAws, free_port

LAMBDAS = Path(pipeline_code.__file__).parent / "lambdas"


@dataclass
class Invocation:
    """Lambda's context: `remaining` are the answers to how many milliseconds are left."""

    remaining: list[int] = field(default_factory=lambda: [900_000])
    log_stream_name: str = "2018/04/01/[1]abc"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:builder"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]


class Aws:
    """Clients with scripted answers, whose requests botocore's service model still validates."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._stubbers: dict[str, Stubber] = {}
        self._clients: dict[str, BaseClient] = {}
        self._stack = ExitStack()
        make = boto3.client
        self._make = lambda service: make(service, region_name="us-east-1", **CREDENTIALS)
        monkeypatch.setattr(boto3, "client", self.client)

    def client(self, service: str) -> BaseClient:
        if service not in self._clients:
            client = self._make(service)
            client.meta.events.register("before-parameter-build", self._note)
            self._clients[service] = client
            self._stubbers[service] = self._stack.enter_context(Stubber(client))
        return self._clients[service]

    def answers(self, service: str, operation: str, response: dict[str, Any]) -> None:
        self.client(service)
        self._stubbers[service].add_response(operation, response)

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> None:
        self.client(service)
        self._stubbers[service].add_client_error(operation, code, message)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def request(self, operation: str) -> dict[str, Any]:
        (request,) = [params for name, params in self.calls if name == operation]
        return request

    def check_all_asked(self) -> None:
        for stubber in self._stubbers.values():
            stubber.assert_no_pending_responses()

    def close(self) -> None:
        self._stack.close()

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.calls.append((model.name, params))


CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    aws = Aws(monkeypatch)
    yield aws
    aws.close()
    aws.check_all_asked()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws


@pytest.fixture(scope="session")
def embedded_session(embedded: EmbeddedAws) -> boto3.Session:
    return embedded.session()


@pytest.fixture
def connected(
    embedded: EmbeddedAws, embedded_session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(embedded, embedded_session, monkeypatch)


def connect(aws: EmbeddedAws, session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers' clients, and the tests', find the embedded AWS as those of a user do."""
    for name, value in aws.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    # The same for all tests: it reads the services' descriptions once.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)


@pytest.fixture
def invocation() -> Invocation:
    return Invocation()


@dataclass
class Answers:
    """A server in CloudFormation's place: the answers that it was sent."""

    url: str
    statuses: list[int] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Takes custom resources' answers; `statuses` are what it replies, 200 when they run out."""

    class Receiver(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.received.append(json.loads(body))
            taken.headers.append(dict(self.headers))
            self.send_response(taken.statuses.pop(0) if taken.statuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    taken = Answers(url=f"http://127.0.0.1:{server.server_port}/answer?signature=secret")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()
