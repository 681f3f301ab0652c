"""One reason starts one execution; none is started too soon, twice, or without a reason."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrain import handler

from pipeline_code.common.fingerprint import FINGERPRINTED_PREFIXES, fingerprint

from .conftest import Aws, Invocation

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/abcdefghijkl"
DRIFT = {
    "id": "1",
    "time": "2018-06-01T12:00:00Z",
    "source": "fraudloop.monitor",
    "detail-type": "Monitoring Violations Found",
    "detail": {"violations": 2, "features": ["amount_minor", "is_night"]},
}
SETTINGS = handler.Settings(pipeline_name="p", cool_down=timedelta(hours=1), raw_bucket="raw")


def alarm(state: str) -> dict[str, Any]:
    detail = {"alarmName": "fraudloop-dev-drift", "state": {"value": state}}
    return {"source": "aws.cloudwatch", "time": "2018-06-01T12:00:00Z", "detail": detail}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_NAME", "p")
    monkeypatch.setenv("COOL_DOWN_SECONDS", "3600")
    monkeypatch.setenv("RAW_BUCKET", "raw")


def execution(status: str, age: timedelta, name: str | None) -> dict[str, Any]:
    shown = {} if name is None else {"PipelineExecutionDisplayName": name}
    return {
        "PipelineExecutionArn": ARN,
        "PipelineExecutionStatus": status,
        "StartTime": datetime.now(UTC) - age,
        **shown,
    }


def executions(aws: Aws, *summaries: dict[str, Any]) -> None:
    response = {"PipelineExecutionSummaries": list(summaries)}
    aws.answers("sagemaker", "list_pipeline_executions", response)


def startable(aws: Aws, *summaries: dict[str, Any]) -> None:
    executions(aws, *summaries)
    for contents in (
        [("transactions/a", "1"), ("transactions/b", "2")],
        [("fraud_reports/a", "3")],
    ):
        listed = [{"Key": key, "ETag": f'"{tag}"'} for key, tag in contents]
        aws.answers("s3", "list_objects_v2", {"Contents": listed, "IsTruncated": False})
    aws.answers("sagemaker", "start_pipeline_execution", {"PipelineExecutionArn": ARN})


def test_drift_starts_the_pipeline_and_says_why(aws: Aws, invocation: Invocation) -> None:
    startable(aws)
    result = handler.handler(DRIFT, invocation)
    assert result == {
        "started": True,
        "reason": "drift: 2 violations in amount_minor is_night",
        "execution_arn": ARN,
    }
    started = aws.request("StartPipelineExecution")
    assert started["PipelineName"] == "p"
    assert re.fullmatch(r"retrain-\d{8}T\d{6}", started["PipelineExecutionDisplayName"])
    listing = [("transactions/a", "1"), ("transactions/b", "2"), ("fraud_reports/a", "3")]
    assert started["PipelineParameters"] == [
        {"Name": "TriggerReason", "Value": result["reason"]},
        {"Name": "DataVersion", "Value": fingerprint(listing)},
    ]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (alarm("ALARM"), "alarm: fraudloop-dev-drift"),
        ({"source": "aws.scheduler"}, "schedule"),
        ({"source": "aws.events", "time": "2018-06-01T12:00:00Z"}, "schedule"),
    ],
)
def test_alarms_and_schedules_start_it_too(
    aws: Aws, invocation: Invocation, event: dict[str, Any], reason: str
) -> None:
    startable(aws)
    result = handler.handler(event, invocation)
    assert (result["started"], result["reason"]) == (True, reason)


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_ends_is_no_reason(aws: Aws, invocation: Invocation, state: str) -> None:
    assert handler.handler(alarm(state), invocation)["started"] is False
    assert aws.calls == []


def test_an_event_of_another_kind_is_an_error(invocation: Invocation) -> None:
    with pytest.raises(ValueError, match=r"got aws\.s3"):
        handler.handler({"source": "aws.s3", "detail": {}}, invocation)


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        (execution("Executing", timedelta(days=2), None), "is running"),
        (execution("Stopping", timedelta(days=2), "by-hand"), "is running"),
        (execution("Succeeded", timedelta(minutes=30), "retrain-1"), "cool-down"),
        (execution("Failed", timedelta(minutes=1), "retrain-1"), "cool-down"),
    ],
)
def test_too_soon_starts_nothing(
    aws: Aws, invocation: Invocation, summary: dict[str, Any], why: str
) -> None:
    old = execution("Succeeded", timedelta(days=9), "retrain-0")
    executions(aws, summary, old)
    result = handler.handler(DRIFT, invocation)
    assert result["started"] is False
    assert why in result["reason"]
    assert aws.names() == ["ListPipelineExecutions"]


def test_what_others_did_and_what_is_long_ago_is_no_obstacle(
    aws: Aws, invocation: Invocation
) -> None:
    startable(
        aws,
        execution("Succeeded", timedelta(minutes=5), "by-hand"),
        execution("Succeeded", timedelta(minutes=6), None),
        execution("Succeeded", timedelta(minutes=61), "retrain-1"),
    )
    assert handler.handler(DRIFT, invocation)["started"] is True


def test_a_start_that_lost_the_race_is_no_failure(aws: Aws, invocation: Invocation) -> None:
    executions(aws)
    for _ in FINGERPRINTED_PREFIXES:
        aws.answers("s3", "list_objects_v2", {"IsTruncated": False})
    aws.refuses("sagemaker", "start_pipeline_execution", "ConflictException", "same token")
    result = handler.handler(DRIFT, invocation)
    assert result["started"] is False
    assert "another event" in result["reason"]


def test_the_same_event_again_asks_with_the_same_token(aws: Aws, invocation: Invocation) -> None:
    for _ in range(2):
        startable(aws)
        handler.handler(DRIFT, invocation)
    tokens = [
        params["ClientRequestToken"] for name, params in aws.calls if name.startswith("StartPipe")
    ]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


moments = st.datetimes(datetime(2018, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(moments, st.timedeltas(timedelta(hours=1), timedelta(days=3)))
def test_retrainings_a_cool_down_apart_never_share_a_token(
    moment: datetime, later: timedelta
) -> None:
    token = handler.request_token(SETTINGS, moment)
    assert handler.request_token(SETTINGS, moment + later) != token
    # What the service demands of a token.
    assert re.fullmatch(r"[A-Za-z0-9\-]{32,128}", token)


@given(st.text(max_size=400), st.lists(st.text(max_size=40), max_size=20))
def test_a_reason_fits_into_a_model_packages_metadata(name: str, features: list[str]) -> None:
    ringing = {
        "source": "aws.cloudwatch",
        "detail": {"alarmName": name, "state": {"value": "ALARM"}},
    }
    drifting = {
        "source": "fraudloop.monitor",
        "detail": {"violations": len(features), "features": features},
    }
    for event in (ringing, drifting):
        reason = handler.trigger_reason(event)
        assert re.fullmatch(r"[A-Za-z0-9_ .:/=+\-@]{1,256}", reason)


listings = st.dictionaries(
    st.text("abc/=-_1", min_size=1), st.text("0123456789abcdef-"), max_size=8
)


class Listing:
    """What boto3's paginator gives for a bucket, two objects a page."""

    def __init__(self, objects: dict[str, str]) -> None:
        self._objects = list(objects.items())

    def get_paginator(self, operation: str) -> "Listing":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "raw"
        items = [
            {"Key": key, "ETag": f'"{tag}"'} for key, tag in self._objects if key.startswith(Prefix)
        ]
        return [{"Contents": items[at : at + 2]} for at in range(0, len(items), 2)] + [{}]


@given(listings, listings, listings)
def test_the_lambda_and_the_command_name_the_data_alike(
    transactions: dict[str, str], reports: dict[str, str], others: dict[str, str]
) -> None:
    relevant = {f"transactions/{key}": tag for key, tag in transactions.items()}
    relevant |= {f"fraud_reports/{key}": tag for key, tag in reports.items()}
    objects = relevant | {f"customers/{key}": tag for key, tag in others.items()}
    named = handler.fingerprint(Listing(objects), "raw")
    assert named == fingerprint(reversed(relevant.items()))
    assert re.fullmatch(r"[0-9a-f]{32}", named)


def test_a_changed_object_changes_the_fingerprint() -> None:
    before = fingerprint([("transactions/a", "1"), ("transactions/b", "2")])
    assert before != fingerprint([("transactions/a", "1"), ("transactions/b", "3")])
    assert before != fingerprint([("transactions/a", "1")])
    assert before == fingerprint([("transactions/b", '"2"'), ("transactions/a", "1")])
