"""Which events ask for retraining, and why."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrain.triggers import (
    ALARM,
    DRIFT,
    MANUAL,
    SCHEDULE,
    FailedExecution,
    PassedAnalysis,
    QuietAlarm,
    Resumption,
    RetrainingRequest,
    fitting,
    read,
)

from .retraining_rules import NOW

PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraudloop-dev-fraud/3"


def monitored(detail_type: str, **detail: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "time": "2018-06-10T12:00:00Z",
        "source": "fraudloop.monitor",
        "detail-type": detail_type,
        "detail": detail,
    }


def alarm(state: str) -> dict[str, Any]:
    return {
        "id": "2",
        "time": "2018-06-10T12:00:00Z",
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:quality"],
        "detail": {"alarmName": "quality", "state": {"value": state}},
    }


# What an event says.


def test_a_drift_says_which_monitor_found_what_of_which_version() -> None:
    event = monitored(
        "Monitoring Violations Found",
        monitor_kind="attribution",
        model_version=PACKAGE,
        violations=2,
        violations_uri="s3://artifacts/monitoring/reports/constraint_violations.json",
        features=["amount_minor", "is_night"],
        end_time="2018-06-10T11:00:00+00:00",
    )
    assert read(event) == RetrainingRequest(
        event_id="1",
        until=datetime(2018, 6, 10, 11, tzinfo=UTC),
        trigger=DRIFT,
        monitor="attribution",
        reason="drift: attribution of version 3: 2 violations in amount_minor is_night",
        evidence="s3://artifacts/monitoring/reports/constraint_violations.json",
    )


def test_a_drift_of_an_analysis_without_interval_kind_and_version_is_of_the_data_now() -> None:
    said = read(
        monitored("Monitoring Violations Found", violations=1, features=["amount"], end_time=None)
    )
    assert said == RetrainingRequest(
        event_id="1",
        until=NOW,
        trigger=DRIFT,
        monitor="data-quality",
        reason="drift: data-quality: 1 violations in amount",
        evidence="none",
    )


def test_what_a_monitor_passed_is_no_reason_but_noted() -> None:
    event = monitored("Monitoring Passed", monitor_kind="bias", end_time="2018-06-10T11:00:00")
    assert read(event) == PassedAnalysis(
        event_id="1", until=datetime(2018, 6, 10, 11, tzinfo=UTC), monitor="bias"
    )


def test_an_alarm_that_goes_off_asks() -> None:
    said = read(alarm("ALARM"))
    assert isinstance(said, RetrainingRequest)
    assert (said.trigger, said.monitor, said.reason) == (ALARM, "model-quality", "alarm: quality")
    assert said.evidence == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:quality"


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_ends_does_not(state: str) -> None:
    assert read(alarm(state)) == QuietAlarm(event_id="2", reason=f"alarm quality went to {state}")


def test_schedules_and_people_ask() -> None:
    rule = "arn:aws:events:us-east-1:000000000000:rule/weekly"
    scheduled = {"id": "3", "time": "2018-06-10T12:00:00Z", "source": "aws.events"}
    said = read({**scheduled, "detail-type": "Scheduled Event", "resources": [rule], "detail": {}})
    assert said == RetrainingRequest(
        event_id="3", until=NOW, trigger=SCHEDULE, monitor="", reason="schedule", evidence=rule
    )
    person = {"id": "4", "time": "2018-06-10T12:00:00Z", "source": "fraudloop.operations"}
    detail = {"reason": "neue Betrüger", "by": "arn:aws:iam::000000000000:user/someone"}
    said = read({**person, "detail-type": "Retraining Requested", "detail": detail})
    assert isinstance(said, RetrainingRequest)
    assert (said.trigger, said.reason) == (MANUAL, "manual: neue Betrüger")
    assert said.evidence == "arn:aws:iam::000000000000:user/someone"
    assert read({**person, "detail-type": "Retraining Resumed", "detail": detail}) == Resumption(
        event_id="4", reason="neue Betrüger"
    )


def execution(status: str) -> dict[str, Any]:
    return {
        "id": "5",
        "time": "2018-06-10T12:00:00Z",
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Building Pipeline Execution Status Change",
        "detail": {"currentPipelineExecutionStatus": status, "pipelineExecutionArn": "arn:first"},
    }


def test_an_execution_that_failed_is_noted_and_no_other() -> None:
    assert read(execution("Failed")) == FailedExecution(event_id="5", execution_arn="arn:first")
    with pytest.raises(ValueError, match="got Succeeded of arn:first"):
        read(execution("Succeeded"))


@pytest.mark.parametrize(
    ("source", "kind"),
    [("aws.s3", "Object Created"), ("fraudloop.monitor", "Batch Violations Found")],
)
def test_an_event_of_another_kind_is_an_error(source: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"got {kind} of {source}"):
        read({"id": "1", "source": source, "detail-type": kind, "detail": {}})


@given(st.text(max_size=400))
def test_a_text_fits_into_a_model_packages_metadata(text: str) -> None:
    found = fitting(text)
    assert len(found.encode()) <= 256
    # SageMaker's pattern: [\p{L}\p{Z}\p{N}_.:\/=+\-@]*
    assert all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in found)
    assert fitting(found) == found
