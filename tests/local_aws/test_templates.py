"""What CloudFormation refuses of templates and of properties."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local_aws.templates import invalid

Client = Callable[[str], Any]
Deploy = Callable[..., dict[str, str]]
QUEUE = {"Type": "AWS::SQS::Queue"}


def reasons(client: Client, stack: str) -> str:
    """What a stack's events say."""
    events = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)


@pytest.mark.parametrize(
    ("template", "refusal"),
    [
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ({"Resources": {"It": QUEUE}, "Output": {}}, r"Invalid template property .*\[Output\]"),
        ({"Resources": {"It-1": QUEUE}}, "Resource name It-1 is non alphanumeric"),
        ({"Resources": {"It": {"Properties": {}}}}, r"\[/Resources/It\] Every Resources object"),
        ({"Resources": {"It": QUEUE | {"DependOn": "A"}}}, "resource property 'DependOn'"),
        (
            {"Resources": {"It": QUEUE | {"DependsOn": "Other"}}},
            r"Unresolved resource dependencies \[Other\] in the Resources block",
        ),
        (
            {
                "Resources": {"It": QUEUE},
                "Outputs": {"Out": {"Value": {"Fn::Sub": "a ${Other.Arn}"}}},
            },
            r"Unresolved resource dependencies \[Other\] in the Outputs block",
        ),
        (
            {"Resources": {"A": QUEUE | {"DependsOn": "B"}, "B": QUEUE | {"DependsOn": ["A"]}}},
            r"Circular dependency between resources: \[A, B\]",
        ),
    ],
)
def test_a_template_is_refused(client: Client, template: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ClientError, match=refusal):
        client("cloudformation").create_stack(
            StackName=f"test-{uuid.uuid4().hex[:8]}", TemplateBody=json.dumps(template)
        )


def test_a_parameter_that_the_template_lacks_is_refused(client: Client) -> None:
    with pytest.raises(ClientError, match=r"Parameters: \[Size\] do not exist in the template"):
        client("cloudformation").create_stack(
            StackName=f"test-{uuid.uuid4().hex[:8]}",
            TemplateBody=json.dumps({"Resources": {"It": QUEUE}}),
            Parameters=[{"ParameterKey": "Size", "ParameterValue": "1"}],
        )


@pytest.mark.parametrize(
    ("resource_type", "properties", "refusal"),
    [
        ("AWS::SQS::Queue", {"Name": "a"}, r"#: extraneous key \[Name\] is not permitted"),
        ("AWS::SQS::Queue", {"Arn": "a"}, r"#: extraneous key \[Arn\] is not permitted"),
        ("AWS::SQS::Queue", {"VisibilityTimeout": "soon"}, "expected type: Integer, found: String"),
        ("AWS::Lambda::Function", {"Role": "a"}, r"#: required key \[Code\] not found"),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 2}, "2 is not a valid enum value"),
        ("AWS::SNS::Topic", {"Tags": [{"Key": "a"}]}, r"#/Tags/0: required key \[Value\]"),
    ],
)
def test_properties_outside_the_schema_are_refused(
    resource_type: str, properties: dict[str, Any], refusal: str, client: Client, deploy: Deploy
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": resource_type, "Properties": properties}}, name=name)
    assert re.search(refusal, reasons(client, name))


@pytest.mark.parametrize("value", [30, "30", 30.0])
def test_a_scalar_may_be_written_as_text(value: Any) -> None:
    assert invalid("It", "AWS::SQS::Queue", {"VisibilityTimeout": value}) is None
    assert invalid("It", "AWS::SNS::Topic", {"FifoTopic": "true", "TopicName": 5}) is None


def test_a_named_resource_is_not_replaced(client: Client, deploy: Deploy) -> None:
    """A change of what the schema calls create-only, under the name that the resource has."""
    name = f"test-{uuid.uuid4().hex[:8]}"

    def group(event_time: str) -> dict[str, Any]:
        features = [{"FeatureName": each, "FeatureType": "String"} for each in ("id", "at", "on")]
        properties = {
            "FeatureGroupName": name,
            "RecordIdentifierFeatureName": "id",
            "EventTimeFeatureName": event_time,
            "FeatureDefinitions": features,
            "OnlineStoreConfig": {"EnableOnlineStore": True},
        }
        return {"It": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": properties}}

    deploy(group("at"), name=name)
    with pytest.raises(WaiterError):
        deploy(group("on"), name=name)
    assert "a custom-named resource requires replacing" in reasons(client, name)
