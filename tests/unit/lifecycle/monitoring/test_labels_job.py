"""The job that joins labels to captures."""

import json
import re
from typing import Any

from lifecycle.monitoring.label_definition import PLACEHOLDERS as LABEL_PLACEHOLDERS

from .conftest import ENDPOINT, accepted, actions, condition, part, pipeline, started, uri


def test_labels_are_joined_daily_before_they_are_needed(around: Any) -> None:
    defined = started(around, "test-labels")
    assert defined["Condition"] == condition(around.template())
    assert defined["Properties"]["ScheduleExpression"] == "cron(20 1 * * ? *)"
    text, values = pipeline(around, "test-labels")
    used = set(re.findall(r"\$\{([^}]+)\}", text)) - {"AWS::Region"}
    assert set(values) == used == set(LABEL_PLACEHOLDERS)
    assert values["LabelDelayDays"] == "3"
    # A day more than is looked at, so that what is looked at for the last time is judged before.
    assert values["LookBackHours"] == "120"
    labels = uri(around, around.artifacts, f"monitoring/ground-truth/{ENDPOINT}/")
    assert values["GroundTruthUri"] == labels


def test_the_labels_job_is_told_where_everything_is(around: Any) -> None:
    text, _ = pipeline(around, "test-labels")
    (step,) = json.loads(text)["Steps"]
    request = step["Arguments"]
    assert request["AppSpecification"]["ContainerEntrypoint"][-1] == "labels"
    assert request["Environment"] == {
        "AWS_DEFAULT_REGION": "${AWS::Region}",
        "CAPTURES_URI": "${CapturesUri}",
        "ENDPOINT_NAME": "${EndpointName}",
        "GROUND_TRUTH_URI": "${GroundTruthUri}",
        "LABEL_DELAY_DAYS": "${LabelDelayDays}",
        "LOOK_BACK_HOURS": {"Get": "Parameters.LookBackHours"},
        "METRIC_NAMESPACE": "${MetricNamespace}",
        "RAW_URI": "${RawUri}",
    }
    assert accepted(request) is None


def test_the_labeler_writes_ground_truth_of_this_endpoint_and_nothing_else(around: Any) -> None:
    role = part(around, "Labels", "LabelerRole")
    labels = around.objects(around.artifacts, f"monitoring/ground-truth/{ENDPOINT}/")
    readable = [
        *around.objects(around.captures, f"{ENDPOINT}/"),
        *around.objects(around.raw, "transactions/", "fraud_reports/"),
        *labels,
    ]
    allowed = around.allowed(role, "s3:GetObject")
    assert sorted(map(str, allowed)) == sorted(map(str, readable))
    assert around.allowed(role, "s3:PutObject") == labels
    assert "events:PutEvents" not in actions(around.statements(role))
