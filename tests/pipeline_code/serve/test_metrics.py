"""Metrics as CloudWatch reads them: its embedded format, its limits, and what was counted."""

import json
import socket
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline_code.contracts.serving import Decision, Reason
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.serve.metrics import COUNTS, LISTS, MOST_VALUES, Meter, MetricsConfig
from pipeline_code.serve.scoring import ScoringResponse

from .conftest import MODEL_VERSION, Server, Store, store_environment, transaction

CONFIG = MetricsConfig(namespace="Fraudloop/test", endpoint_name="fraud", model_version="arn:7")
DECISIONS = {0.1: Decision.APPROVE, 0.5: Decision.REVIEW, 0.9: Decision.DECLINE}


def answers(*scores: float, degraded: list[list[Reason]] | None = None) -> ScoringResponse:
    return ScoringResponse(
        ids=[None] * len(scores),
        scores=list(scores),
        decisions=[DECISIONS.get(score) for score in scores],
        values=np.zeros((len(scores), len(FEATURE_NAMES)), np.float32),
        degraded=degraded,
        reason_codes=None,
        model_version="arn:7",
        feature_seconds=0.002,
        model_seconds=0.004,
    )


def metered(config: MetricsConfig | None = CONFIG) -> tuple[Meter, list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    return Meter(config, lambda line: lines.append(json.loads(line))), lines


def test_a_line_tells_what_was_noted() -> None:
    meter, lines = metered()
    meter.answered(answers(0.1, 0.5, 0.9), read_seconds=0.010, seconds=0.020)
    unknown = [[Reason.CUSTOMER_UNKNOWN, Reason.TERMINAL_UNKNOWN]]
    meter.answered(answers(0.1, degraded=unknown), read_seconds=0.0, seconds=0.006)
    meter.failed()
    meter.flush()
    (line,) = lines
    assert line["Answers"] == 4
    assert line["Degraded"] == 1
    assert line["Flagged"] == 2
    assert line["FailedAnswers"] == 1
    assert line["FeatureMilliseconds"] == [12.0, 2.0]
    assert line["ModelMilliseconds"] == [4.0, 4.0]
    assert line["RestMilliseconds"] == [4.0, 0.0]
    assert line["Score"] == [0.1, 0.5, 0.9, 0.1]
    assert (line["EndpointName"], line["ModelVersion"]) == ("fraud", "arn:7")


def test_a_line_is_in_the_embedded_metric_format() -> None:
    meter, lines = metered()
    meter.answered(answers(0.1), read_seconds=0.0, seconds=0.001)
    meter.flush()
    directive = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "Fraudloop/test"
    assert directive["Dimensions"] == [["EndpointName"], ["EndpointName", "ModelVersion"]]
    assert [metric["Name"] for metric in directive["Metrics"]] == [*LISTS, *COUNTS]
    for metric in directive["Metrics"]:
        assert metric["Name"] in lines[0]
    assert isinstance(lines[0]["_aws"]["Timestamp"], int)


def test_a_busy_second_is_a_sample_of_its_values_and_all_its_counts() -> None:
    written: list[str] = []
    meter = Meter(CONFIG, written.append)
    for _ in range(3_000):
        meter.answered(answers(0.123456789), read_seconds=0.0123456, seconds=0.023456)
    meter.flush()
    line = json.loads(written[0])
    assert line["Answers"] == 3_000
    assert all(len(line[name]) == MOST_VALUES for name in LISTS)
    # Workers share the stream: what is longer could be torn apart.
    assert len(written[0]) < 4_096


def test_a_large_batch_is_a_sample_too() -> None:
    meter, lines = metered()
    meter.answered(answers(*[0.1] * 5_000), read_seconds=0.0, seconds=1.0)
    meter.flush()
    assert (len(lines[0]["Score"]), lines[0]["Answers"]) == (MOST_VALUES, 5_000)


def test_a_quiet_second_has_no_line() -> None:
    meter, lines = metered()
    meter.flush()
    meter.answered(answers(0.1), read_seconds=0.0, seconds=0.001)
    meter.flush()
    meter.flush()
    assert len(lines) == 1


def test_without_a_namespace_nothing_is_written() -> None:
    meter, lines = metered(None)
    meter.start()
    meter.answered(answers(0.1), read_seconds=0.0, seconds=0.001)
    meter.failed()
    meter.stop()
    assert lines == []


def test_what_is_left_is_written_at_the_end() -> None:
    meter, lines = metered()
    meter.start()
    meter.answered(answers(0.1), read_seconds=0.0, seconds=0.001)
    meter.stop()
    assert sum(line["Answers"] for line in lines) == 1


def test_the_server_writes_lines(start: Any, store: Store) -> None:
    environment = store_environment(store) | {
        "METRIC_NAMESPACE": "Fraudloop/test",
        "ENDPOINT_NAME": "fraud",
        "REVIEW_THRESHOLD": "0.0",
    }
    running = start(environment).wait_ready()
    # Callers who hang up, in the middle of a request or after it, are no failures of the server.
    for length in (1_000, 2):
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n"
            connection.sendall(head.encode() + b"content-type: application/json\r\n\r\n{}")
    for id_ in range(20):
        running.score(transaction(transaction_id=id_, customer_id=313_131_313))
    running.__exit__()
    text = running.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"_aws"' in line]
    assert sum(line["Answers"] for line in lines) == 20
    assert sum(line["Degraded"] for line in lines) == 20
    assert sum(line["Flagged"] for line in lines) == 20
    assert sum(line["FailedAnswers"] for line in lines) == 0
    assert sum(len(line["FeatureMilliseconds"]) for line in lines) == 20
    assert {line["ModelVersion"] for line in lines} == {MODEL_VERSION}
    assert "313131313" not in text
    assert "request failed" not in text


def test_throttled_reads_are_counted_and_answered_degraded(
    start: Callable[..., Server], store: Store
) -> None:
    """Two records, each tried twice, as botocore's standard mode would; then without states."""
    variables = store_environment(store) | {
        "METRIC_NAMESPACE": "Fraudloop/test",
        "ENDPOINT_NAME": "fraud",
        "SERVE_STORE_BUDGET_MILLISECONDS": "10000",
    }
    server = start(variables).wait_ready()
    store.status, store.refusal = 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}
    answer = server.score(transaction())
    assert (answer["degraded"], answer["degraded_reasons"]) == (True, ["store_unavailable"])
    server.__exit__()
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if "_aws" in line]
    assert sum(line["StoreThrottles"] for line in lines) == 4
    assert "ThrottlingException" in server.log.read_text()
