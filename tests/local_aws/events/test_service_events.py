"""A rule sees what CloudFormation and Parameter Store do, as on AWS."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.conftest import Queue

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def seen(client: Client, queue: Queue) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """seen(pattern): what has come since by a rule of the pattern; asked again, it goes on."""
    queue.allow("events.amazonaws.com")
    events, name = client("events"), f"test-{uuid.uuid4().hex[:8]}"
    found: list[dict[str, Any]] = []

    def start(pattern: dict[str, Any]) -> None:
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue.arn}])

    def take(pattern: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        if pattern is not None:
            start(pattern)
        found.extend(queue.take())
        return found

    yield take
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)


TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}


def test_each_status_of_a_stack_is_an_event(
    client: Client, seen: Callable[..., list[dict[str, Any]]], eventually: Eventually
) -> None:
    seen({"source": ["aws.cloudformation"]})
    cloudformation, name = client("cloudformation"), f"test-{uuid.uuid4().hex[:8]}"
    template = {"Resources": {"Topic": TOPIC}}
    stack_id = cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), ClientRequestToken="first-token"
    )["StackId"]

    def by_status() -> dict[str, dict[str, Any]]:
        mine = [event for event in seen() if event["detail"]["stack-id"] == stack_id]
        return {event["detail"]["status-details"]["status"]: event for event in mine}

    eventually(lambda: "CREATE_COMPLETE" in by_status())
    # Of another type than what the stack holds, so that the update fails.
    template["Resources"]["Broken"] = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": "/aws/refused", "Type": "String", "Value": "1"},
    }
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps(template))
    eventually(
        lambda: (
            {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"}
            <= by_status().keys()
        )
    )
    first = by_status()["CREATE_IN_PROGRESS"]
    assert first["detail-type"] == "CloudFormation Stack Status Change"
    assert first["detail"]["client-request-token"] == "first-token"
    assert first["resources"] == [stack_id]
    cloudformation.delete_stack(StackName=name)
    eventually(lambda: "DELETE_COMPLETE" in by_status())


def test_each_change_of_a_parameter_is_an_event(
    client: Client, seen: Callable[..., list[dict[str, Any]]], eventually: Eventually
) -> None:
    name = f"/test/{uuid.uuid4().hex[:8]}"
    seen({"source": ["aws.ssm"], "detail": {"name": [name]}})
    ssm = client("ssm")
    ssm.put_parameter(Name=name, Value="a", Type="String", Description="says a")
    ssm.put_parameter(Name=name, Value="b", Overwrite=True)
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name=name, Value="c", Type="String")
    ssm.delete_parameter(Name=name)
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=name)
    ssm.put_parameter(Name=name, Value="a", Type="String")
    assert ssm.delete_parameters(Names=[name, "/absent"])["InvalidParameters"] == ["/absent"]
    eventually(lambda: len(seen()) >= 5)
    # EventBridge promises no order.
    operations = Counter(event["detail"]["operation"] for event in seen())
    assert operations == {"Create": 2, "Update": 1, "Delete": 2}
    assert {event["detail-type"] for event in seen()} == {"Parameter Store Change"}
    assert "says a" in [event["detail"].get("description") for event in seen()]
