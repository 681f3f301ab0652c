"""Parity of what is deployed: the endpoint's features are batch's, and so the audit says."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from operations.data import lake
from operations.data.events import Stream
from operations.data.own.local import read_landing
from operations.data.stream import EventStream
from operations.errors import OperationError
from operations.executions import recent, require_success, watch
from operations.serving.parity import _Probe, through_stack
from operations.serving.probes import FIRST_ID
from operations.target import Target
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES

from .streams import damage, heal, users_file

pytestmark = pytest.mark.end_to_end
REQUESTS = 25


@pytest.fixture
def target(played: Any) -> Target:
    found: Target = played.target
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return users_file(tmp_path / "file.parquet")


def test_the_endpoint_answers_with_batchs_features(
    played: Any, target: Target, fraudloop: Any, file: Path, tmp_path: Path
) -> None:
    report = tmp_path / "parity.json"
    options = ["--through-stack", "--sample", str(REQUESTS), "--state", str(played.state)]
    done = fraudloop("parity", "--data", str(file), *options, "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert (found["rows"], found["mismatches"], found["late"]) == (REQUESTS, 0, 0)
    assert found["first_difference"] is None
    assert found["repeated_events"] > 0
    # Nothing of it is taken for traffic: no row of the lake, no record of the store.
    assert lake.query(
        target,
        f"SELECT count(*) FROM transactions WHERE customer_id >= {FIRST_ID}",  # noqa: S608
    ).rows == [["0"]]
    for group in ("CustomerFeatureGroupName", "TerminalFeatureGroupName"):
        pages = target.client("sagemaker-featurestore-runtime").get_paginator("list_records")
        ids = {
            int(id_)
            for page in pages.paginate(FeatureGroupName=target.output(group))
            for id_ in page["RecordIdentifiers"]
        }
        assert max(ids) < FIRST_ID


@pytest.fixture
def events(file: Path) -> Stream:
    landing = read_landing(file)
    return Stream(landing.transactions, landing.fraud_reports)


def test_a_difference_is_found_and_its_first_feature_named(
    target: Target, events: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch is told less than what was sent, as if a consumer had counted something twice."""
    monkeypatch.setattr(
        "operations.serving.parity.compute",
        lambda rows, reports: pa.concat_tables(
            compute(rows.slice(place, 1), reports) for place in range(rows.num_rows)
        ),
    )
    found = through_stack(target, events, sample=REQUESTS, seed=3)
    assert found.rows == REQUESTS
    # On a loaded machine an event may still be on its way: then its difference is none of the two.
    assert 0 < found.defects == found.mismatches - found.late
    assert found.first_difference is not None
    assert found.first_difference.online != found.first_difference.batch


def test_an_event_that_is_on_its_way_is_no_defect(
    target: Target, events: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_folded, forget = EventStream.await_folded, _Probe.forget
    monkeypatch.setattr(EventStream, "await_folded", lambda *_: None)

    def forget_when_folded(probe: _Probe) -> None:
        await_folded(probe._stream)
        forget(probe)

    monkeypatch.setattr(_Probe, "forget", forget_when_folded)
    found = through_stack(target, events, sample=REQUESTS, seed=3)
    assert (found.rows, found.defects) == (REQUESTS, 0)


def test_ids_that_the_store_knows_are_refused(
    target: Target, events: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.serving.probes.secrets.randbelow", lambda _: 0)
    known = FIRST_ID + events.transactions["customer_id"][0].as_py()
    damage(target, CUSTOMER, known)
    try:
        with pytest.raises(OperationError, match=f"must be unknown .*, got customer {known}; "):
            through_stack(target, events, sample=1000, seed=3)
    finally:
        heal(target, CUSTOMER, known)


def test_the_audit_finds_no_defect_in_what_the_demo_was_answered(target: Target) -> None:
    sagemaker = target.client("sagemaker")
    arn = sagemaker.start_pipeline_execution(
        PipelineName=target.output("ParityPipelineName"),
        PipelineParameters=[
            {"Name": "AuditHours", "Value": "6"},
            {"Name": "Sample", "Value": "300"},
        ],
    )["PipelineExecutionArn"]
    require_success(target, watch(target, arn))
    key = f"monitoring/parity/{arn.rpartition('/')[2]}/parity.json"
    body = target.client("s3").get_object(Bucket=target.output("ArtifactsBucketName"), Key=key)
    found = json.loads(body["Body"].read())
    assert (found["rows"], found["defects"]) == (300, 0), found["first_difference"]
    assert found["captured"] > 300
    assert found["confirmed"] > 0
    alarms = target.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=target.stack_name("monitoring")
    )["MetricAlarms"]
    (state,) = (each["StateValue"] for each in alarms if each.get("MetricName") == "ParityDefects")
    assert state == "OK"


def test_a_training_set_is_asked_for_with_sql(target: Target) -> None:
    newest = next(each for each in recent(target) if each["PipelineExecutionStatus"] == "Succeeded")
    execution = newest["PipelineExecutionArn"].rpartition("/")[2]
    key = f"executions/{execution}/features/summary/summary.json"
    body = target.client("s3").get_object(Bucket=target.output("FeaturesBucketName"), Key=key)
    summary = json.loads(body["Body"].read())
    answer = lake.query(
        target,
        f"SELECT period, count(*), sum(is_fraud), count({FEATURE_NAMES[-1]}) FROM feature_rows "  # noqa: S608
        f"WHERE execution = '{execution}' GROUP BY period ORDER BY period",
    )
    assert answer.rows == [
        [period, str(rows), str(summary[period]["frauds"]), str(rows)]
        for period, rows in ((name, summary[name]["rows"]) for name in ("test", "train"))
    ]
