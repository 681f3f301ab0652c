import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.conftest import Queue

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]
Deploy = Callable[..., dict[str, str]]


@pytest.fixture
def namespace() -> str:
    return f"test/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def transitions(client: Client, queue: Queue) -> Iterator[Queue]:
    """The alarm events of the account."""
    events = client("events")
    rule = f"alarms-{uuid.uuid4().hex[:8]}"
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    queue.allow("events.amazonaws.com")
    events.put_targets(Rule=rule, Targets=[{"Id": "q", "Arn": queue.arn}])
    yield queue
    events.remove_targets(Rule=rule, Ids=["q"])
    events.delete_rule(Name=rule)


def state(client: Client, name: str) -> str:
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])


def put_alarm(client: Client, namespace: str, **changes: Any) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    alarm = {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": "Drift",
        "Dimensions": [{"Name": "Endpoint", "Value": "fraud"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    client("cloudwatch").put_metric_alarm(**alarm | changes)
    return name


def put_metric(client: Client, namespace: str, value: float, endpoint: str, name: str) -> None:
    datum = {
        "MetricName": name,
        "Value": value,
        "Dimensions": [{"Name": "Endpoint", "Value": endpoint}],
    }
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def test_an_alarm_watches_its_dimensions_only(
    client: Client, namespace: str, eventually: Eventually
) -> None:
    name = put_alarm(client, namespace)
    put_metric(client, namespace, 3, "another", "Drift")
    assert state(client, name) == "OK"
    put_metric(client, namespace, 3, "fraud", "Drift")
    assert state(client, name) == "ALARM"


def test_an_alarm_returns_to_ok_as_its_data_grows_old(
    client: Client, namespace: str, eventually: Eventually
) -> None:
    name = put_alarm(client, namespace, Period=10)
    put_metric(client, namespace, 3, "fraud", "Drift")
    assert state(client, name) == "ALARM"
    eventually(lambda: state(client, name) == "OK")


def test_no_data_can_itself_be_an_alarm(client: Client, namespace: str) -> None:
    assert state(client, put_alarm(client, namespace, TreatMissingData="breaching")) == "ALARM"


def test_an_alarms_state_is_left_unchanged_by_its_update(client: Client, namespace: str) -> None:
    """The next evaluation, which may be on its way, judges by what the alarm is now."""
    name, seen = f"test-{uuid.uuid4().hex[:8]}", []
    for _ in range(5):
        put_alarm(client, namespace, AlarmName=name)
        put_metric(client, namespace, 3, "fraud", "Drift")
        assert state(client, name) == "ALARM"
        put_alarm(client, namespace, AlarmName=name, MetricName="Other")
        seen.append(state(client, name))
    assert "ALARM" in seen


def test_a_transition_is_an_event(
    client: Client, namespace: str, transitions: Queue, eventually: Eventually
) -> None:
    name = put_alarm(client, namespace)
    put_metric(client, namespace, 3, "fraud", "Drift")

    def alarmed() -> dict[str, Any] | None:
        for event in transitions.take():
            detail = event["detail"]
            if (detail["alarmName"], detail["state"]["value"]) == (name, "ALARM"):
                return dict(event)
        return None

    event = eventually(alarmed)
    metric = event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert metric["dimensions"] == {"Endpoint": "fraud"}
    assert event["resources"] == [f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}"]


def test_a_transition_notifies_its_topic(
    client: Client, namespace: str, queue: Queue, eventually: Eventually
) -> None:
    sns = client("sns")
    topic = sns.create_topic(Name=f"test-{uuid.uuid4().hex[:8]}")["TopicArn"]
    queue.allow("sns.amazonaws.com")
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue.arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    name = put_alarm(client, namespace, AlarmActions=[topic])
    put_metric(client, namespace, 3, "fraud", "Drift")
    (message,) = eventually(queue.take)
    assert (message["AlarmName"], message["NewStateValue"]) == (name, "ALARM")


def test_a_template_may_alarm_on_an_expression(
    client: Client, namespace: str, deploy: Deploy
) -> None:
    def metric(query: str, name: str) -> dict[str, Any]:
        dimensions = [{"Name": "Endpoint", "Value": "fraud"}]
        stat = {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
            "Period": 60,
            "Stat": "Sum",
        }
        return {"Id": query, "MetricStat": stat, "ReturnData": False}

    properties = {
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "rate", "Expression": "100 * errors / calls"},
            metric("errors", "Errors"),
            metric("calls", "Calls"),
        ],
    }
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    name = deploy({"Alarm": alarm}, {"Name": {"Ref": "Alarm"}})["Name"]
    put_metric(client, namespace, 100, "fraud", "Calls")
    put_metric(client, namespace, 5, "fraud", "Errors")
    assert state(client, name) == "OK"
    put_metric(client, namespace, 15, "fraud", "Errors")
    assert state(client, name) == "ALARM"
