"""The image does what the working tree does, byte for byte: process 1, read-only, another user."""

import functools
import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline_code.common.model_digest import model_digest
from pipeline_code.features.definitions import FEATURE_NAMES
from tests.image.conftest import simulate
from tests.image.places import Place, contents, entry_of, run
from tests.pipeline_code.captures.capture_files import capture_rows
from tests.pipeline_code.stream.conftest import (
    firehose_event,
    lambda_event,
    report,
    transaction,
    without,
)

pytestmark = pytest.mark.image

ENTRY = ("-m", "pipeline_code")
PLACES = ("tree", "image")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def both(places: dict[str, Place], work: Callable[[str, Place], Any]) -> None:
    """Does it in both places, which have to come to the same."""
    tree, image = (work(name, places[name]) for name in PLACES)
    assert tree == image
    assert tree


def job(folder: Path, name: str, inputs: Mapping[str, Path]) -> Path:
    """A job's root, with copies of its inputs."""
    root = folder / name
    root.mkdir()
    for path, source in inputs.items():
        shutil.copytree(source, root / path)
    return root


def test_simulate(places: dict[str, Place], folder: Path) -> None:
    def work(name: str, place: Place) -> dict[str, bytes]:
        ml = job(folder, f"simulate-{name}", {})
        simulate(place, ml, ml / "lake" if name == "tree" else Path("/opt/ml/lake"))
        return contents(ml / "lake")

    both(places, work)


def made_features(name: str, place: Place, folder: Path, lake: Path) -> Path:
    inputs = {f"processing/input/{data}": lake / data for data in ("transactions", "fraud_reports")}
    root = folder / f"features-{name}"
    if not root.exists():
        job(folder, root.name, inputs)
        days = ("--train-days", "14", "--test-days", "7")
        run(place, (*ENTRY, "features", *days), root, {})
    return root / "processing" / "output"


def made_model(name: str, place: Place, folder: Path, features: Path) -> Path:
    root = folder / f"train-{name}"
    if not root.exists():
        job(folder, root.name, {"input/data/train": features / "train"})
        (root / "model").mkdir()
        (root / "input" / "config").mkdir()
        parameters = {"rounds": "20", "max_depth": "4"}
        (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(parameters))
        run(place, (*ENTRY, "train"), root, {})
    return root / "model"


@pytest.fixture
def features(places: dict[str, Place], folder: Path, lake: Path) -> Path:
    """The working tree's, which the entries after it read."""
    return made_features("tree", places["tree"], folder, lake)


@pytest.fixture
def model(places: dict[str, Place], folder: Path, features: Path) -> Path:
    return made_model("tree", places["tree"], folder, features)


def test_features(places: dict[str, Place], folder: Path, lake: Path) -> None:
    both(places, lambda name, place: contents(made_features(name, place, folder, lake)))


def test_train(places: dict[str, Place], folder: Path, features: Path) -> None:
    both(places, lambda name, place: contents(made_model(name, place, folder, features)))


def test_serve(places: dict[str, Place], folder: Path, features: Path, model: Path) -> None:
    rows = pq.read_table(features / "test").slice(0, 300)
    vectors = rows.select(list(FEATURE_NAMES)).to_pylist()
    lines = "\n".join(",".join(str(value) for value in row.values()) for row in vectors)
    raw = json.dumps([without(transaction(transaction_id=n), "type") for n in range(40)])

    def work(name: str, place: Place) -> list[bytes]:
        root = job(folder, f"serve-{name}", {"model": model})
        with serving(place, root) as ask:
            return [ask("text/csv", lines), ask("application/json", raw)]

    both(places, work)


@contextmanager
def serving(place: Place, root: Path) -> Iterator[Callable[[str, str], bytes]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "MODEL_DIGEST": model_digest(root / "model"),
        "REVIEW_THRESHOLD": "0.5",
        "DECLINE_THRESHOLD": "0.9",
        "MODEL_PACKAGE_ARN": "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraud/7",
    }
    process = place.start((*ENTRY, "serve"), root, CREDENTIALS | environment)
    try:
        while True:
            assert process.poll() is None, process.communicate()[0]
            try:
                asked(port, "GET", "/ping")
                break
            except OSError:
                time.sleep(0.1)
        yield functools.partial(posted, port)
    finally:
        if process.poll() is None:
            os.kill(entry_of(process), signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed


def posted(port: int, kind: str, body: str) -> bytes:
    return asked(port, "POST", "/invocations", body, kind)


def asked(port: int, method: str, path: str, body: str = "", kind: str = "text/plain") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"content-type": kind})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    assert response.status == 200, content
    return content


def test_monitor(places: dict[str, Place], folder: Path, features: Path) -> None:
    captured = pq.read_table(features / "test").slice(0, 500)
    of_job = "/opt/ml/processing"
    environment = CREDENTIALS | {
        "dataset_source": f"{of_job}/input/endpoint",
        "output_path": f"{of_job}/resultdata",
        "baseline_constraints": f"{of_job}/output/baseline/constraints.json",
        "baseline_statistics": f"{of_job}/output/baseline/statistics.json",
        "start_time": "2024-03-01T12:00:00Z",
        "end_time": "2024-03-01T13:00:00Z",
        "sagemaker_endpoint_name": "fraud",
        "sagemaker_monitoring_schedule_name": "hourly",
    }
    output = {"LocalPath": environment["output_path"], "S3Uri": "s3://results/hour"}
    config = {"ProcessingOutputConfig": {"Outputs": [{"S3Output": output}]}}

    def work(name: str, place: Place) -> dict[str, bytes]:
        root = job(folder, f"monitor-{name}", {"processing/input/train": features / "train"})
        (root / "config").mkdir()
        (root / "config" / "processingjobconfig.json").write_text(json.dumps(config))
        run(place, (*ENTRY, "monitor", "--baseline"), root, {})
        capture_rows(root / "processing" / "input" / "endpoint", captured)
        run(place, (*ENTRY, "monitor"), root, environment)
        found = contents(root / "processing" / "output") | contents(root / "processing/resultdata")
        assert "report.html" in found
        return found

    both(places, work)


EVENTS = [
    transaction(transaction_id=number, customer_id=number % 7, terminal_id=number % 5)
    for number in range(60)
] + [report(transaction_id=number, customer_id=number % 7) for number in range(5)]
FUNCTIONS = {
    "fold_customers": lambda_event(*EVENTS, b"no event"),
    "fold_terminals": lambda_event(*EVENTS, b"no event"),
    "land_events": firehose_event(*EVENTS, b"no event"),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_streams_functions(places: dict[str, Place], folder: Path, function: str) -> None:
    def work(name: str, place: Place) -> list[Any]:
        root = job(folder, f"{function}-{name}", {})
        with services(FUNCTIONS[function]) as (port, received, answered):
            environment = CREDENTIALS | {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
                "AWS_LAMBDA_FUNCTION_NAME": function,
                "AWS_LAMBDA_LOG_FORMAT": "JSON",
                "POWERTOOLS_METRICS_NAMESPACE": "test",
                "POWERTOOLS_SERVICE_NAME": "test",
                "FEATURE_GROUP_PATTERN": "{entity}s",
                "TERMINAL_STREAM": "terminals",
                "QUARANTINE_BUCKET": "quarantine",
                "DATASET": "transactions",
            }
            handler = f"pipeline_code.lambdas.{function}.handler.handler"
            process = place.start(("-m", "awslambdaric", handler), root, environment)
            try:
                while not answered.wait(0.1):
                    assert process.poll() is None
            finally:
                if process.poll() is None:
                    os.kill(entry_of(process), signal.SIGKILL)
                printed, _ = process.communicate(timeout=60)
        answers = [body for _, path, body in received if path.endswith("/response")]
        assert len(answers) == 1, printed
        assert b"itemIdentifier" not in answers[0], printed  # nothing has to be delivered again
        return sorted(received)  # some are sent at the same time

    both(places, work)


@contextmanager
def services(event: dict[str, Any]) -> Iterator[tuple[int, list[Any], threading.Event]]:
    """Lambda's Runtime API with one event, and services that note what they are asked."""
    received: list[Any] = []
    store = Store()
    answered, over = threading.Event(), threading.Event()

    class Services(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if answered.is_set():  # the second time: there is no second event
                over.wait()
            self.reply(json.dumps(event), {"Lambda-Runtime-Aws-Request-Id": "request"} | ARN)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            received.append((self.command, self.path, body))
            # S3 answers nothing.
            self.reply("" if self.command == "PUT" else json.dumps(self.answer(body)), {})
            if self.path.startswith("/2018-06-01/runtime/invocation/"):
                answered.set()

        do_PUT = do_POST  # noqa: N815 - the base class calls it so

        def answer(self, body: bytes) -> dict[str, Any]:
            if self.path == "/BatchWriteRecord":
                store.write(json.loads(body))
            if self.path == "/BatchGetRecord":
                return store.found(json.loads(body))
            if self.headers.get("x-amz-target", "").endswith(".PutRecords"):
                return {"Records": [{} for _ in json.loads(body)["Records"]]}
            return {}

        def reply(self, body: str, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Services)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, received, answered
    finally:
        over.set()
        server.shutdown()
        server.server_close()


ARN = {"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}


class Store:
    """An online store: what is written is read back, with the names and values of the API."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], dict[str, str]] = {}

    def write(self, request: dict[str, Any]) -> None:
        for entry in request["Entries"]:
            values = {each["FeatureName"]: each["ValueAsString"] for each in entry["Record"]}
            (identifier,) = (value for name, value in values.items() if name.endswith("_id"))
            self._records[entry["FeatureGroupName"], identifier] = values

    def found(self, request: dict[str, Any]) -> dict[str, Any]:
        records = [
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
            if (record := self._records.get((wanted["FeatureGroupName"], identifier)))
        ]
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": []}
