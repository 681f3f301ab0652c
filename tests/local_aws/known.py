"""An account with one of most things, all named "known", and policies about them."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
ACCOUNT = "000000000000"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:known"
URL = f"http://127.0.0.1/{ACCOUNT}/known"
GHOST = f"arn:aws:iam::{ACCOUNT}:role/ghost"


def policy(**more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::known/*"}
    kept = {key: value for key, value in (statement | more).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:known"
KEY_POLICY = {"Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}


def of_queue(**more: Any) -> tuple[str, str, dict[str, Any]]:
    given = {"Principal": {"AWS": ACCOUNT}, "Action": "sqs:SendMessage", "Resource": QUEUE}
    attributes = {"Policy": policy(**(given | more))}
    return "sqs", "set_queue_attributes", {"QueueUrl": URL, "Attributes": attributes}


def of_topic(**more: Any) -> tuple[str, str, dict[str, Any]]:
    given = {"Principal": {"AWS": ACCOUNT}, "Action": "sns:Publish", "Resource": TOPIC_ARN}
    value = {"AttributeName": "Policy", "AttributeValue": policy(**(given | more))}
    return "sns", "set_topic_attributes", {"TopicArn": TOPIC_ARN, **value}


def of_repository(**more: Any) -> tuple[str, str, dict[str, Any]]:
    given = {"Principal": {"AWS": ACCOUNT}, "Action": "ecr:BatchGetImage", "Resource": None}
    text = policy(**(given | more))
    return "ecr", "set_repository_policy", {"repositoryName": "known", "policyText": text}


def of_bucket(**more: Any) -> tuple[str, str, dict[str, Any]]:
    given = {"Principal": {"AWS": ACCOUNT}, **more}
    return "s3", "put_bucket_policy", {"Bucket": "known", "Policy": policy(**given)}


def of_function(**more: Any) -> tuple[str, str, dict[str, Any]]:
    given = {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", **more}
    return "lambda", "add_permission", given


def trust(**more: Any) -> str:
    given = {"Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", "Resource": None}
    return policy(**(given | more))


def assert_refused(client: Any, method: str, arguments: dict[str, Any], words: str) -> None:
    """The request is the sender's fault, and told in these words."""
    with pytest.raises(ClientError) as refused:
        getattr(client, method)(**arguments)
    assert words in str(refused.value)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def known_account(session: boto3.Session) -> Callable[[str], Any]:
    """Clients that check nothing, of an account with a rule, a queue, a bucket, a role, ..."""
    config = Config(parameter_validation=False, retries={"max_attempts": 1})
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        return clients.setdefault(service, session.client(service, config=config))

    client("sqs").create_queue(QueueName="known")
    client("events").put_rule(Name="known", ScheduleExpression="rate(1 hour)")
    client("events").put_targets(Rule="known", Targets=[{"Id": "1", "Arn": QUEUE}])
    client("ssm").put_parameter(Name="/known", Value="v", Type="String")
    client("ssm").put_parameter(Name="/advanced", Value="v", Type="String", Tier="Advanced")
    client("s3").create_bucket(Bucket="known")
    client("iam").create_role(RoleName="known", AssumeRolePolicyDocument=trust())
    client("sns").create_topic(Name="known")
    client("sns").subscribe(TopicArn=TOPIC_ARN, Protocol="sqs", Endpoint=QUEUE)
    client("logs").create_log_group(logGroupName="/known")
    client("logs").create_log_stream(logGroupName="/known", logStreamName="s")
    client("kinesis").create_stream(StreamName="known", ShardCount=1)
    client("glue").create_database(DatabaseInput={"Name": "known"})
    keys = [{"Name": "p", "Type": "string"}]
    client("glue").create_table(
        DatabaseName="known", TableInput={"Name": "t", "PartitionKeys": keys}
    )
    client("ecr").create_repository(repositoryName="known")
    return client
