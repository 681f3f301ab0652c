"""Parameters that nothing here regards are refused, as AWS would do something by them."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.requests.shapes import input_shape
from local_aws.requests.supported import operations

Client = Callable[[str], Any]
OBJECT = {"Bucket": "parameters", "Key": "k"}


@pytest.fixture(scope="module")
def any_client(session: boto3.Session) -> Client:
    """Clients that check nothing themselves."""
    config = Config(parameter_validation=False, retries={"max_attempts": 1})
    session.client("s3").create_bucket(Bucket="parameters")
    session.client("s3").put_object(**OBJECT, Body=b"abc")
    return lambda service: session.client(service, config=config)


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("athena", "list_work_groups", {"MaxResults": 1}),
        ("cloudformation", "create_stack", {"StackName": "s", "TimeoutInMinutes": 5}),
        (
            "cloudformation",
            "update_stack",
            {"StackName": "s", "RollbackConfiguration": {"MonitoringTimeInMinutes": 5}},
        ),
        ("codebuild", "start_build", {"projectName": "p", "buildspecOverride": "version: 0.2"}),
        ("ecr", "describe_images", {"repositoryName": "r", "filter": {"tagStatus": "TAGGED"}}),
        ("events", "list_event_buses", {"Limit": 1}),
        ("glue", "get_partitions", {"DatabaseName": "d", "TableName": "t", "Expression": "a=1"}),
        ("iam", "list_roles", {"MaxItems": 1}),
        ("iam", "list_policies", {"OnlyAttached": True}),
        ("kms", "list_keys", {"Limit": 1}),
        ("lambda", "invoke", {"FunctionName": "f", "ClientContext": "e30="}),
        ("lambda", "add_permission", {"FunctionName": "f", "RevisionId": "r"}),
        ("logs", "filter_log_events", {"logGroupName": "g", "limit": 1}),
        ("cloudwatch", "list_metrics", {"RecentlyActive": "PT3H"}),
        ("s3", "head_object", {**OBJECT, "Range": "bytes=0-0"}),
        ("s3", "create_multipart_upload", {**OBJECT, "Tagging": "a=b"}),
        ("s3", "put_object", {**OBJECT, "WriteOffsetBytes": 1}),
        ("sns", "publish", {"PhoneNumber": "+15551234567", "Message": "m"}),
        ("sqs", "receive_message", {"QueueUrl": "q", "ReceiveRequestAttemptId": "a"}),
        ("ssm", "get_parameters_by_path", {"Path": "/", "ParameterFilters": [{"Key": "Type"}]}),
    ],
)
def test_a_parameter_that_would_be_dropped_is_refused(
    any_client: Client, service: str, method: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(any_client(service), method)(**arguments)
    status = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    # An answer to HEAD has no words.
    assert status == 400
    assert "is not supported by the embedded AWS" in str(refused.value) or method == "head_object"


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("s3", "get_object", {**OBJECT, "ExpectedBucketOwner": "{account}"}),
        ("glue", "get_databases", {"CatalogId": "{account}"}),
        ("ecr", "describe_repositories", {"registryId": "{account}"}),
    ],
)
def test_there_is_one_account(
    any_client: Client, service: str, method: str, arguments: dict[str, Any]
) -> None:
    def call(account: str) -> Any:
        given = {name: value.format(account=account) for name, value in arguments.items()}
        return getattr(any_client(service), method)(**given)

    call("000000000000")
    with pytest.raises(ClientError, match="AccessDenied"):
        call("111111111111")


def test_each_listed_parameter_is_one_of_its_operation() -> None:
    for place, names in operations()["unread"].items():
        service, _, operation = place.partition(":")
        shape = input_shape(service, operation)
        assert operation in operations()[service], place
        assert shape is not None and {*names} <= {*shape.members}, place


def test_names_of_message_attributes_are_taken_in_either_place(client: Client) -> None:
    """ReceiveMessage's older parameter is modelled with a queue's attributes, not a message's."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="attribute-names")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    received = sqs.receive_message(QueueUrl=url, AttributeNames=["SentTimestamp"])
    assert "SentTimestamp" in received["Messages"][0]["Attributes"]
