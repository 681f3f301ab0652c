"""The real server process, a tiny model, and a store that speaks Feature Store's protocol."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import boto3
import numpy as np
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import model_digest
from pipeline_code.contracts.serving import ATTRIBUTES_HEADER
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, SCHEMA_VERSION, TERMINAL
from pipeline_code.features.events import epoch_microseconds
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.features.store.online_store import FeatureGroups
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.store import StoreReader
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

PROJECT = Path(__file__).parents[3]
START_SECONDS = 60
REVIEW_THRESHOLD, DECLINE_THRESHOLD = 0.65, 0.75
MODEL_VERSION = "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraudloop-test-fraud/7"
GROUPS = {
    "customer": f"fraudloop-test-customer-{SCHEMA_VERSION}",
    "terminal": f"fraudloop-test-terminal-{SCHEMA_VERSION}",
}


class QuietServer(ThreadingHTTPServer):
    """Clients that give up are what it is there for, and no news on the terminal."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Store:
    """An online store behind HTTP: GetRecord and BatchGetRecord, and its failures."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dict[str, str]] = {}
        self.status = 200
        self.refusal: dict[str, str] = {}
        self.entered = threading.Event()
        self.proceed = threading.Event()
        self.proceed.set()
        self.calls = 0
        self._server = QuietServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, kind: str, entity_id: int, state: EntityState) -> None:
        self.records[GROUPS[kind], str(entity_id)] = {
            f"{kind}_id": str(entity_id),
            "event_time": "2018-08-01T00:00:00.000Z",
            "state": state.encode(),
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        found = [
            {
                "FeatureGroupName": wanted["FeatureGroupName"],
                "RecordIdentifierValueAsString": identifier,
                "Record": [
                    {"FeatureName": name, "ValueAsString": record[name]}
                    for name in wanted["FeatureNames"]
                ],
            }
            for wanted in request["Identifiers"]
            for identifier in wanted["RecordIdentifiersValueAsString"]
            if (record := self.records.get((wanted["FeatureGroupName"], identifier)))
        ]
        return {"Records": found, "Errors": [], "UnprocessedIdentifiers": []}

    def answer_one(self, group: str, query: dict[str, list[str]]) -> dict[str, Any]:
        names = query["FeatureName"]
        (identifier,) = query["RecordIdentifierValueAsString"]
        record = self.records.get((group, identifier))
        if record is None:
            return {}
        values = [{"FeatureName": name, "ValueAsString": record[name]} for name in names]
        return {"Record": values}

    def reset(self) -> None:
        self.status, self.refusal = 200, {}
        self.proceed.set()
        self.reset_calls()

    def reset_calls(self) -> None:
        self.entered.clear()
        self.calls = 0

    def close(self) -> None:
        self.proceed.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Header and body are two writes; Nagle's algorithm would hold the second back 40 ms.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                group = url.path.removeprefix("/FeatureGroup/")
                self._answer(lambda: store.answer_one(group, parse_qs(url.query)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/BatchGetRecord"
                self._answer(lambda: store.answer(json.loads(body)))

            def _answer(self, found: Callable[[], dict[str, Any]]) -> None:
                store.calls += 1
                store.entered.set()
                store.proceed.wait(30)
                document = found() if store.status == 200 else store.refusal
                payload = json.dumps(document).encode()
                self.send_response(store.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@dataclass
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A `python -m pipeline_code serve` process on a port of its own."""

    model_folder: Path
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "model").symlink_to(self.model_folder)
        self.log = self.root / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline_code", "serve"],
                cwd=PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "SAGEMAKER_BASE_DIR": str(self.root),
                    "SAGEMAKER_BIND_HOST": "127.0.0.1",
                    "SAGEMAKER_BIND_TO_PORT": str(self.port),
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "SERVE_WORKERS": "1",
                    "SERVE_STATE_CACHE_SECONDS": "0",
                    "MODEL_PACKAGE_ARN": MODEL_VERSION,
                    "MODEL_DIGEST": self._digest(),
                    "REVIEW_THRESHOLD": "none",
                    "DECLINE_THRESHOLD": "none",
                    **self.environment,
                },
            )
        return self

    def _digest(self) -> str:
        try:
            return model_digest(self.model_folder)
        except BadInput:  # what is no model can have been registered as anything
            return "0d" * 32

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait_ready(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.request("GET", "/ping").status == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(
                response.status, response.headers.get("content-type", ""), response.read()
            )
        finally:
            connection.close()

    def invoke(
        self,
        body: bytes | str,
        content_type: str = "application/json",
        *,
        accept: str | None = None,
        attributes: str | None = None,
    ) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        headers = {"content-type": content_type}
        headers |= {} if accept is None else {"accept": accept}
        headers |= {} if attributes is None else {ATTRIBUTES_HEADER: attributes}
        return self.request("POST", "/invocations", data, headers)

    def score(self, transaction: dict[str, Any]) -> dict[str, Any]:
        answer = self.invoke(json.dumps(transaction))
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.document
        return document

    def wait_undegraded(self, transaction: dict[str, Any]) -> None:
        """Until the store is asked again after it failed."""
        deadline = time.monotonic() + START_SECONDS
        while self.score(transaction)["degraded"]:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@pytest.fixture(scope="session")
def model() -> Model:
    """A tiny model to which every feature matters a little."""
    generator = np.random.default_rng(5)
    rows = generator.random((4000, len(FEATURE_NAMES))) * 20_000
    limit = 8_500 * len(FEATURE_NAMES)
    labels = (rows.sum(axis=1) + generator.normal(0, 5_000, 4000) > limit).astype(np.int8)
    return fit(rows, labels, parameters=Parameters(rounds=10, max_depth=4))


@pytest.fixture(scope="session")
def model_folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def running_store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


@pytest.fixture
def store(running_store: Store) -> Iterator[Store]:
    """The store, in order again after each test."""
    running_store.reset()
    yield running_store
    running_store.reset()


def store_environment(store: Store) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME": store.url,
        "CUSTOMER_FEATURE_GROUP": GROUPS["customer"],
        "TERMINAL_FEATURE_GROUP": GROUPS["terminal"],
    }


def reader(url: str, **options: Any) -> StoreReader:
    """The server's reader, of a store at an address."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    client = session.client("sagemaker-featurestore-runtime", endpoint_url=url)
    groups = FeatureGroups(customer=GROUPS["customer"], terminal=GROUPS["terminal"])
    return StoreReader(client, Identity(session.get_credentials), groups, **options)


@pytest.fixture(scope="session")
def server(
    running_store: Store, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server that most tests share: it must survive whatever they send."""
    root = tmp_path_factory.mktemp("ml") / "root"
    environment = store_environment(running_store) | {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
        "REVIEW_THRESHOLD": repr(REVIEW_THRESHOLD),
        "DECLINE_THRESHOLD": repr(DECLINE_THRESHOLD),
        "SERVE_STORE_BUDGET_MILLISECONDS": "10000",
    }
    with Server(model_folder, root, environment) as running:
        yield running.wait_ready()
        assert running.process.poll() is None, running.log.read_text()


@pytest.fixture
def start(model_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts further servers with an environment of their own."""
    started: list[Server] = []

    def start_one(environment: dict[str, str] | None = None, model: Path | None = None) -> Server:
        root = tmp_path / f"ml-{len(started)}"
        server = Server(model or model_folder, root, environment or {})
        started.append(server)
        return server.__enter__()

    yield start_one
    for server in started:
        server.__exit__()


def transaction(**changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": 1_000_001,
        "event_time": "2018-08-01T10:30:00Z",
        "customer_id": 42,
        "terminal_id": 77,
        "amount": "123.45",
    } | changes


def customer_state(*events: tuple[int, Any, int]) -> EntityState:
    return EntityState(CUSTOMER).fold(
        events_of(
            np.array([epoch_microseconds(event[1]) for event in events]),
            np.array([event[0] for event in events]),
            np.array([event[2] for event in events]),
        )
    )


def terminal_state(events: list[tuple[int, Any]], reports: list[tuple[int, Any]]) -> EntityState:
    transactions, reported = (
        events_of(
            np.array([epoch_microseconds(event[1]) for event in part]),
            np.array([event[0] for event in part]),
        )
        for part in (events, reports)
    )
    return EntityState(TERMINAL).fold(transactions, reported)
