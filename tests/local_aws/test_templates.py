"""What CloudFormation refuses of templates and of properties."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local_aws.stack_schemas import problem

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
        ("AWS::Lambda::Function", {"Role": "a"}, r"#: required key \[Code\] not found"),
    ],
)
def test_properties_outside_the_schema_are_refused(
    resource_type: str, properties: dict[str, Any], refusal: str, client: Client, deploy: Deploy
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": resource_type, "Properties": properties}}, name=name)
    assert re.search(refusal, reasons(client, name))


@pytest.mark.parametrize(
    ("kind", "properties", "words"),
    [
        ("AWS::SNS::Topic", {"Topic": "a"}, "#: extraneous key [Topic] is not permitted"),
        ("AWS::SNS::Topic", {"TopicArn": "arn:aws:sns:a"}, "[TopicArn] is read-only"),
        ("AWS::Lambda::Permission", {"Action": "a"}, "required key [FunctionName] not found"),
        (
            "AWS::Logs::LogGroup",
            {"RetentionInDays": 2},
            "#/RetentionInDays: 2 is not a valid enum value",
        ),
        (
            "AWS::SQS::Queue",
            {"DelaySeconds": "soon"},
            "#/DelaySeconds: expected type: Integer, found: String",
        ),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "Tags": [{"Key": "a"}]}, "[Value]"),
        ("AWS::KMS::Alias", {"AliasName": "a", "TargetKeyId": "k"}, "#/AliasName: failed"),
    ],
)
def test_properties_that_a_type_does_not_have_are_refused(
    kind: str, properties: dict[str, Any], words: str
) -> None:
    assert words in str(problem(kind, "It", properties))


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Logs::LogGroup", {"RetentionInDays": "30"}),
        ("AWS::SQS::Queue", {"FifoQueue": "true", "DelaySeconds": "5"}),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": 5}),
    ],
)
def test_scalars_are_of_the_type_that_a_property_has(kind: str, properties: dict[str, Any]) -> None:
    assert problem(kind, "It", properties) is None


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


def test_a_type_that_aws_has_is_refused_in_other_words(client: Client) -> None:
    template = '{"Resources": {"It": {"Type": "AWS::DynamoDB::Table"}}}'
    refused = client("cloudformation").exceptions.ClientError
    with pytest.raises(refused, match="AWS::DynamoDB::Table are not supported by the embedded"):
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=template)


def test_an_unknown_type_is_named(client: Client) -> None:
    template = '{"Resources": {"It": {"Type": "AWS::Fax::Machine"}}}'
    with pytest.raises(
        client("cloudformation").exceptions.ClientError,
        match=r"Unrecognized resource types: .AWS::Fax::Machine",
    ):
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=template)
