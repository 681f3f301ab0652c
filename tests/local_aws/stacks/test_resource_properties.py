"""Properties of a template's resources that are taken or refused."""

import re
import uuid
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local_aws.stacks.schemas import problem

from .conftest import Client, Deploy, reasons


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
    assert words in str(problem(kind, "It", "it", properties))


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Logs::LogGroup", {"RetentionInDays": "30"}),
        ("AWS::SQS::Queue", {"FifoQueue": "true", "DelaySeconds": "5"}),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": 5}),
    ],
)
def test_scalars_are_of_the_type_that_a_property_has(kind: str, properties: dict[str, Any]) -> None:
    assert problem(kind, "It", "it", properties) is None


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


def test_what_describes_a_named_resource_may_be_its_own_for_good(
    client: Client, deploy: Deploy
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"

    def group(description: str) -> dict[str, Any]:
        given = {"ModelPackageGroupName": name, "ModelPackageGroupDescription": description}
        return {"It": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": given}}

    deploy(group("as it was"), name=name)
    with pytest.raises(WaiterError):
        deploy(group("in other words"), name=name)
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


FUNCTION = {"FunctionName": "ghost"}


UNMADE: list[tuple[str, dict[str, Any], str]] = [
    ("AWS::CloudWatch::Alarm", {"ActionConfiguration": {}}, "ActionConfiguration of AWS::Cloud"),
    (
        "AWS::CloudWatch::Alarm",
        {"MetricName": "m", "Namespace": "n", "Period": "7", "Statistic": "Sum"},
        "Metric period must be",
    ),
    ("AWS::CloudWatch::Dashboard", {"DashboardBody": "{"}, "must be a valid JSON object"),
    ("AWS::Events::EventBus", {"Name": "a/b"}, "must not contain '/'"),
    ("AWS::Events::EventBus", {"Name": "a", "Policy": {}}, "Policy of AWS::Events::EventBus"),
    (
        "AWS::Glue::Database",
        {"CatalogId": "000000000000", "DatabaseInput": {"Name": "Big"}},
        "does not fold names to lower case",
    ),
    (
        "AWS::Glue::Database",
        {"CatalogId": "111111111111", "DatabaseInput": {"Name": "small"}},
        "CatalogId must be 000000000000",
    ),
    (
        "AWS::Kinesis::Stream",
        {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "ShardCount": 1},
        "ShardCount must be left out",
    ),
    ("AWS::Kinesis::Stream", {"RetentionPeriodHours": 1}, "RetentionPeriodHours must be at least"),
    ("AWS::Lambda::Alias", FUNCTION | {"FunctionVersion": "1", "Name": "a"}, "Function not found"),
    (
        "AWS::Lambda::EventInvokeConfig",
        FUNCTION | {"Qualifier": "$LATEST", "MaximumRetryAttempts": 0},
        "Function not found: ghost",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        FUNCTION | {"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"},
        "Function not found: ghost",
    ),
    (
        "AWS::Lambda::Permission",
        FUNCTION | {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
        "Function not found: ghost",
    ),
    ("AWS::Lambda::Version", FUNCTION, "Function not found: ghost"),
    ("AWS::Logs::LogGroup", {"DeletionProtectionEnabled": True}, "DeletionProtectionEnabled of"),
    ("AWS::S3::Bucket", {"AccessControl": "PublicRead"}, "Bucket cannot have ACLs set"),
    ("AWS::S3::Bucket", {"ObjectLockEnabled": True}, "ObjectLockEnabled of AWS::S3::Bucket"),
    (
        "AWS::S3::BucketPolicy",
        {"Bucket": "ghost", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        "The specified bucket does not exist",
    ),
    ("AWS::SNS::Topic", {"TopicName": "a b"}, "Invalid parameter: Topic Name"),
    ("AWS::SNS::Topic", {"FifoTopic": True, "TopicName": "a.fifo"}, "FifoTopic of AWS::SNS"),
    (
        "AWS::SNS::Subscription",
        {
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:no",
            "Protocol": "sqs",
            "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q",
        },
        "Topic does not exist",
    ),
    (
        "AWS::SQS::QueuePolicy",
        {
            "Queues": ["http://sqs/0/ghost"],
            "PolicyDocument": {
                "Statement": [
                    {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
                ]
            },
        },
        "The specified queue does not exist",
    ),
    (
        "AWS::SSM::Parameter",
        {"Type": "String", "Value": "a", "AllowedPattern": "^b$"},
        "cannot be validated against allowedPattern",
    ),
    ("AWS::SSM::Parameter", {"Type": "String", "Value": "a" * 4097}, "a maximum parameter value"),
]


@pytest.mark.parametrize(("kind", "properties", "words"), UNMADE)
def test_what_a_service_refuses_fails_its_resource(
    client: Client, deploy: Deploy, kind: str, properties: dict[str, Any], words: str
) -> None:
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1}
    given = properties | (alarm if kind == "AWS::CloudWatch::Alarm" else {})
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": kind, "Properties": given}}, name=name)
    assert words in reasons(client, name)


def test_what_is_empty_is_left_out(client: Client, deploy: Deploy) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    deploy({"It": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}, name=name)
    stack = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    assert not {"Description", "Outputs", "StackStatusReason"} & {*stack}
