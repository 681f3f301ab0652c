import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws.embedded_metrics import metrics_of

Client = Callable[[str], Any]


def document(namespace: str, **values: Any) -> dict[str, Any]:
    metrics = [{"Name": "Refused", "Unit": "Count"}, {"Name": "Milliseconds"}]
    directive = {"Namespace": namespace, "Dimensions": [["service"]], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        **values,
    }


def test_a_logged_metric_raises_its_alarm(client: Client, eventually: Callable[..., Any]) -> None:
    name, logs = f"test-{uuid.uuid4().hex[:8]}", client("logs")
    dimensions = [{"Name": "service", "Value": "fold"}]
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace=name,
        MetricName="Refused",
        Dimensions=dimensions,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    lines = ["no metric", '{"_aws": 1}', "{"]
    lines += [json.dumps(document(name, service="fold", Refused=[2.0, 3], Milliseconds=7.5))]
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=name,
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )

    def state() -> bool:
        (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return bool(alarm["StateValue"] == "ALARM")

    eventually(state)
    (point,) = client("cloudwatch").get_metric_statistics(
        Namespace=name,
        MetricName="Milliseconds",
        Dimensions=dimensions,
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert point["Maximum"] == 7.5


def test_what_a_document_does_not_hold_is_an_error() -> None:
    with pytest.raises(KeyError, match="service"):
        list(metrics_of(document("n", Refused=1, Milliseconds=1)))
    with pytest.raises(KeyError, match="Milliseconds"):
        list(metrics_of(document("n", service="fold", Refused=1)))


def test_each_set_of_dimensions_is_a_metric_of_its_own() -> None:
    both = document("n", service="fold", version="7", Refused=[1, 2], Milliseconds=3)
    (directive,) = both["_aws"]["CloudWatchMetrics"]
    directive["Dimensions"] = [["service"], ["service", "version"], []]
    found = [(m.name, m.dimensions, m.values) for m in metrics_of(both)]
    sets = [{"service": "fold"}, {"service": "fold", "version": "7"}, {}]
    assert found == [
        (name, dimensions, values)
        for dimensions in sets
        for name, values in (("Refused", [1.0, 2.0]), ("Milliseconds", [3.0]))
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Refused": [1] * 101}, "Refused must have at most 100 values, got 101"),
        ({"_aws": {"Timestamp": 0, "CloudWatchMetrics": []}}, "of the last two weeks"),
    ],
)
def test_what_cloudwatch_does_not_take_is_an_error(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(metrics_of(document("n", service="fold", Refused=1, Milliseconds=1) | change))
