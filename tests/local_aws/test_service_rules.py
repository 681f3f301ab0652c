"""What AWS refuses of requests that its models allow: each case passed before, or answered 500."""

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.known import ACCOUNT, GHOST, QUEUE, URL, Client, assert_refused, policy, trust

EVENT = {"Source": "a", "DetailType": "b", "Detail": "{}"}


CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("events", "delete_rule", {"Name": "known"}, "it has targets"),
    ("events", "disable_rule", {"Name": "none"}, "Rule none does not exist on EventBus default"),
    ("events", "enable_rule", {"Name": "none"}, "does not exist"),
    ("events", "remove_targets", {"Rule": "none", "Ids": ["1"]}, "does not exist"),
    ("events", "put_rule", {"Name": "n"}, "EventPattern or ScheduleExpression must be"),
    ("events", "put_rule", {"Name": "n", "ScheduleExpression": "rate(1 hours)"}, "is not valid"),
    ("events", "put_rule", {"Name": "n", "ScheduleExpression": "rate(2 hour)"}, "is not valid"),
    (
        "events",
        "put_targets",
        {"Rule": "known", "Targets": [{"Id": str(n), "Arn": QUEUE} for n in range(6)]},
        "exceeds the maximum number",
    ),
    (
        "events",
        "put_targets",
        {"Rule": "known", "Targets": [{"Id": "1", "Arn": "known"}]},
        "not in correct format",
    ),
    (
        "events",
        "put_events",
        {"Entries": [EVENT | {"Detail": json.dumps("x" * 300_000)}]},
        "Total size of the entries",
    ),
    (
        "events",
        "put_rule",
        {"Name": "n", "ScheduleExpression": "cron(7 20 * * 1-7 *)"},
        "ScheduleExpression is not valid",
    ),
    (
        "scheduler",
        "create_schedule",
        {
            "Name": "n",
            "ScheduleExpression": "rate(x)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": QUEUE, "RoleArn": GHOST},
        },
        "Invalid Schedule Expression rate(x).",
    ),
    (
        "iam",
        "create_role",
        {"RoleName": "KNOWN", "AssumeRolePolicyDocument": trust()},
        "Role with name KNOWN already exists",
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "N", "MetricData": [{"MetricName": "m", "Values": [1.0] * 151}]},
        "Values must not have a size greater than 150",
    ),
    ("ssm", "put_parameter", {"Name": "a b", "Value": "v", "Type": "String"}, "Parameter name"),
    ("ssm", "put_parameter", {"Name": "a/b", "Value": "v", "Type": "String"}, "fully qualified"),
    (
        "ssm",
        "put_parameter",
        {"Name": "/a" * 16, "Value": "v", "Type": "String"},
        "maximum of 15 levels",
    ),
    ("ssm", "put_parameter", {"Name": "/a", "Value": "", "Type": "String"}, "failed to satisfy"),
    ("ssm", "put_parameter", {"Name": "/a", "Value": "v" * 4097, "Type": "String"}, "4096 char"),
    (
        "ssm",
        "put_parameter",
        {"Name": "/a", "Value": "v" * 8193, "Type": "String", "Tier": "Advanced"},
        "8192 char",
    ),
    (
        "ssm",
        "put_parameter",
        {"Name": "/a", "Value": "x", "Type": "String", "AllowedPattern": "^[0-9]+$"},
        "allowedPattern",
    ),
    (
        "ssm",
        "put_parameter",
        {"Name": "/known", "Value": "v", "Type": "SecureString", "Overwrite": True},
        "type cannot be changed",
    ),
    ("ssm", "get_parameters_by_path", {"Path": "known"}, "must begin with a forward slash"),
    ("ssm", "get_parameters", {"Names": [f"/{n}" for n in range(11)]}, "less than or equal to 10"),
    ("sqs", "create_queue", {"QueueName": "a b"}, "Can only include alphanumeric"),
    ("sqs", "create_queue", {"QueueName": "a" * 81}, "1 to 80 in length"),
    ("sqs", "create_queue", {"QueueName": "a.fifo"}, "Can only include"),
    ("sqs", "set_queue_attributes", {"QueueUrl": URL, "Attributes": {"Policy": "{x"}}, "Policy"),
    (
        "sqs",
        "set_queue_attributes",
        {
            "QueueUrl": URL,
            "Attributes": {
                "RedrivePolicy": json.dumps(
                    {"deadLetterTargetArn": f"{QUEUE}-none", "maxReceiveCount": 3}
                )
            },
        },
        "Dead letter target does not exist",
    ),
    (
        "sqs",
        "set_queue_attributes",
        {
            "QueueUrl": URL,
            "Attributes": {
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": QUEUE, "maxReceiveCount": 0})
            },
        },
        "maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive",
    ),
    ("sqs", "receive_message", {"QueueUrl": URL, "WaitTimeSeconds": 21}, "WaitTimeSeconds"),
    ("sqs", "send_message", {"QueueUrl": URL, "MessageBody": "a", "DelaySeconds": 901}, "Delay"),
    (
        "sqs",
        "send_message",
        {"QueueUrl": URL, "MessageBody": "a", "MessageDeduplicationId": "1"},
        "not valid for this queue type",
    ),
    ("s3", "create_bucket", {"Bucket": "xn--a"}, "InvalidBucketName"),
    ("s3", "create_bucket", {"Bucket": "some-s3alias"}, "InvalidBucketName"),
    ("s3", "create_bucket", {"Bucket": "some-an"}, "InvalidBucketName"),
    (
        "s3",
        "create_bucket",
        {
            "Bucket": "elsewhere",
            "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
        },
        "IllegalLocationConstraintException",
    ),
    ("s3", "put_object", {"Bucket": "known", "Key": "k" * 1025, "Body": b""}, "KeyTooLongError"),
    (
        "s3",
        "put_object",
        {"Bucket": "known", "Key": "k", "Body": b"", "Metadata": {"a": "x" * 2100}},
        "MetadataTooLarge",
    ),
    ("s3", "put_bucket_policy", {"Bucket": "known", "Policy": "{x"}, "must be valid JSON"),
    (
        "s3",
        "put_bucket_policy",
        {
            "Bucket": "known",
            "Policy": policy(Principal={"AWS": ACCOUNT}, Resource="arn:aws:s3:::other/*"),
        },
        "Policy has invalid resource",
    ),
    (
        "s3",
        "put_bucket_policy",
        {"Bucket": "known", "Policy": policy(Principal="*")},
        "BlockPublicPolicy",
    ),
    (
        "s3",
        "put_bucket_policy",
        {"Bucket": "known", "Policy": policy(Principal={"AWS": GHOST})},
        "Invalid principal in policy",
    ),
    *(
        ("iam", "create_role", {"RoleName": "new", "AssumeRolePolicyDocument": text}, words)
        for text, words in (
            ("{x", "invalid Json"),
            ("{}", "Syntax errors in policy"),
            (trust(Resource="*"), "prohibited field Resource"),
            (trust(Principal=None), "Missing required field Principal"),
            (trust(Principal={"AWS": GHOST}), f'Invalid principal in policy: "AWS":"{GHOST}"'),
            (trust(Principal={"AWS": f"{GHOST[:-5]}*"}), "Invalid principal in policy"),
            (trust(Principal={"Service": "lambda"}), "Invalid principal in policy"),
            (trust(Sid="a" * 2049), "ACLSizePerRole"),
            (trust(Action="s3:GetObject"), "may only specify STS AssumeRole actions"),
            (trust(Principal={"Service": "none-such.amazonaws.com"}), "none-such"),
            (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/a"}), "oidc"),
        )
    ),
    *(
        (
            "iam",
            "put_role_policy",
            {"RoleName": "known", "PolicyName": "p", "PolicyDocument": text},
            words,
        )
        for text, words in (
            (policy(Action=None), "must contain actions"),
            (policy(Action=[]), "must contain actions"),
            (policy(Action="s3"), "must be prefaced by a vendor"),
            (policy(Resource="bucket"), "must be in ARN format"),
            (policy(Resource=None), "must contain resources"),
            (policy(Principal="*"), "should not specify a principal"),
            (policy(Condition={"StringMatches": {"a": "b"}}), "Syntax errors"),
            (policy(Effect="allow"), "failed legacy parsing"),
            (policy(Effect="may"), "Syntax errors"),
            (policy(Sid="a-b"), "must be alpha-numeric"),
            (policy(Action="s3:Get:Object"), "only one colon"),
            (policy(Action="s 3:GetObject"), "Vendor s 3 is not valid"),
            (policy(Resource="arn:other:s3:::a"), 'Partition "other" is not valid'),
            (policy(Resource="arn:aws:s3:us-east-1::a"), "can not contain region information"),
            (policy(Resource="arn:aws:iam:::a"), "IAM resource path must"),
            (policy(Condition={"DateLessThan": {"a": "soon"}}), "failed legacy parsing"),
            (policy(Unknown=1), "Syntax errors"),
            (policy(Resource=[f"arn:aws:s3:::{'a' * 50}{n}" for n in range(200)]), "size of 10240"),
        )
    ),
    (
        "iam",
        "attach_role_policy",
        {"RoleName": "known", "PolicyArn": "arn:aws:iam::aws:policy/NoSuchAccess"},
        "does not exist or is not attachable",
    ),
    (
        "sts",
        "assume_role",
        {
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/known",
            "RoleSessionName": "test",
            "DurationSeconds": 7200,
        },
        "exceeds the MaxSessionDuration",
    ),
    (
        "athena",
        "start_query_execution",
        {"QueryString": "select 1", "WorkGroup": "none"},
        "WorkGroup none is not found",
    ),
    ("athena", "get_work_group", {"WorkGroup": "none"}, "is not found"),
    (
        "kinesis",
        "split_shard",
        {
            "StreamName": "known",
            "ShardToSplit": "shardId-000000000000",
            "NewStartingHashKey": "x",
        },
        "newStartingHashKey",
    ),
    ("logs", "create_log_group", {"logGroupName": "a b"}, "logGroupName"),
    (
        "logs",
        "put_log_events",
        {
            "logGroupName": "/known",
            "logStreamName": "s",
            "logEvents": [{"timestamp": 2, "message": "a"}, {"timestamp": 1, "message": "a"}],
        },
        "chronological order",
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "AWS/EC2", "MetricData": [{"MetricName": "m", "Value": 1}]},
        "parameter Namespace is invalid",
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1, "Timestamp": 1e9}]},
        "two weeks in the past",
    ),
    *(
        (
            "cloudwatch",
            "put_metric_alarm",
            {
                "AlarmName": "a",
                "Namespace": "n",
                "MetricName": "m",
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 1,
                "EvaluationPeriods": 1,
                "Period": 60,
                **more,
            },
            words,
        )
        for more, words in (
            ({}, "Exactly one of Statistic"),
            ({"Statistic": "Sum", "Period": 45}, "multiple of 60"),
            ({"Statistic": "Sum", "DatapointsToAlarm": 2}, "DatapointsToAlarm"),
            ({"Statistic": "Sum", "EvaluationPeriods": 1441}, "more than a day"),
            ({"Statistic": "Sum", "Period": 86_400, "EvaluationPeriods": 8}, "more than a week"),
        )
    ),
    ("sns", "create_topic", {"Name": "a b"}, "Topic Name"),
    (
        "sns",
        "subscribe",
        {
            "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:known",
            "Protocol": "pigeon",
            "Endpoint": "x",
        },
        "protocol string: pigeon",
    ),
    (
        "sns",
        "publish",
        {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:known", "Message": ""},
        "Empty message",
    ),
    (
        "lambda",
        "create_function",
        {
            "FunctionName": "f",
            "Role": GHOST,
            "Runtime": "python3.11",
            "Handler": "a.b",
            "Code": {"ZipFile": b""},
            "Environment": {"Variables": {"AWS_REGION": "x"}},
        },
        "reserved keys",
    ),
    (
        "lambda",
        "put_function_concurrency",
        {"FunctionName": "f", "ReservedConcurrentExecutions": 950},
        "below its minimum value",
    ),
    (
        "glue",
        "create_partition",
        {"DatabaseName": "known", "TableName": "none", "PartitionInput": {"Values": ["a"]}},
        "Table none not found",
    ),
]


@pytest.mark.parametrize(("service", "method", "arguments", "words"), CASES)
def test_it_is_refused(
    known: Client, service: str, method: str, arguments: dict[str, Any], words: str
) -> None:
    assert_refused(known(service), method, arguments, words)


def test_parts_of_an_upload_have_5_mib_and_an_order(known: Client) -> None:
    s3, place = known("s3"), {"Bucket": "known", "Key": "parts"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**upload, PartNumber=number, Body=b"a")["ETag"],
        }
        for number in (1, 2)
    ]
    for given, code in ((parts, "EntityTooSmall"), (parts[::-1], "InvalidPartOrder")):
        with pytest.raises(ClientError, match=code):
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": given})


def test_a_user_has_two_access_keys(known: Client) -> None:
    iam, name = known("iam"), f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    for _ in range(2):
        iam.create_access_key(UserName=name)
    with pytest.raises(ClientError, match="AccessKeysPerUser"):
        iam.create_access_key(UserName=name)
