"""What AWS refuses of requests that its models allow: each case passed before, or answered 500."""

import json
import uuid
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
EVENT = {"Source": "a", "DetailType": "b", "Detail": "{}"}


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


@pytest.fixture(scope="module")
def known(session: boto3.Session) -> Callable[[str], Any]:
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
        "maxReceiveCount",
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
    *(
        (*of_queue(**more), words)
        for more, words in (
            ({"Principal": None}, "Invalid value for the parameter Policy."),
            ({"Principal": {"AWS": GHOST}}, "Invalid value for the parameter Policy."),
            ({"Action": "sns:Publish"}, "Invalid value for the parameter Policy."),
            ({"Action": "sqs:Send"}, "Invalid value for the parameter Policy."),
            ({"Effect": "Maybe"}, "Invalid value for the parameter Policy."),
            ({"Action": [f"sqs:{'*' * n}" for n in range(1, 9)]}, "max allowed is 7"),
        )
    ),
    *(
        (*of_topic(**more), words)
        for more, words in (
            ({"Principal": None}, "Policy Error: null"),
            ({"Principal": {"AWS": GHOST}}, "Policy Error: PrincipalNotFound"),
            ({"Principal": {"Service": "polly"}}, "Policy Error: PrincipalNotFound"),
            ({"Action": "sns:*"}, "action out of service scope"),
            ({"Action": "sqs:SendMessage"}, "action out of service scope"),
        )
    ),
    *(
        (*of_repository(**more), words)
        for more, words in (
            ({"Principal": None}, "Invalid repository policy provided"),
            ({"Principal": {"AWS": GHOST}}, "Principal not found"),
            ({"Resource": "*"}, "Invalid repository policy provided"),
            ({"Action": "s3:GetObject"}, "Invalid repository policy provided"),
        )
    ),
    *(
        (*of_bucket(**more), words)
        for more, words in (
            ({"Principal": None}, "Missing required field Principal"),
            ({"Principal": {"Service": "s3"}}, "Invalid principal in policy"),
            ({"Action": "s3:Get"}, "Policy has invalid action"),
            ({"Action": "sqs:SendMessage"}, "Policy has invalid action"),
            ({"Action": "s3:ListBucket"}, "Action does not apply to any resource"),
            ({"Resource": "arn:aws:s3:::known"}, "Action does not apply to any resource"),
            ({"Resource": None}, "Missing required field Resource"),
            ({"Effect": "hello"}, "Syntax errors"),
        )
    ),
    *(
        ("kms", "create_key", {"Policy": policy(**(KEY_POLICY | more))}, words)
        for more, words in (
            ({"Principal": {"AWS": GHOST}}, "one or more invalid principals"),
            ({"Condition": {"StringIs": {"a": "b"}}}, "Syntax errors"),
            ({"Action": "Decrypt"}, "must be prefaced by a vendor"),
        )
    ),
    *(
        (*of_function(**more), words)
        for more, words in (
            ({"Principal": GHOST}, "provided principal was invalid"),
            ({"Principal": "amazonaws.com"}, "provided principal was invalid"),
            ({"Principal": "12"}, "provided principal was invalid"),
            ({"Principal": "*", "Action": "lambda:Run"}, "no action lambda:Run"),
            ({"Principal": "*", "Action": "s3:GetObject"}, "regular expression pattern"),
            ({"Principal": "*", "SourceArn": "a"}, "regular expression pattern"),
            ({"Principal": "*", "SourceAccount": "a"}, "regular expression pattern"),
        )
    ),
    (
        "iam",
        "create_policy",
        {"PolicyName": "p", "PolicyDocument": policy().replace("2012", "2008")},
        "must be version 2012-10-17 or greater",
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

TEXT = {"DataType": "String", "StringValue": "a"}
REDRIVE = json.dumps({"deadLetterTargetArn": QUEUE, "maxReceiveCount": 3})
CASES += [
    ("sqs", "create_queue", {"QueueName": "n", "Attributes": given}, words)
    for given, words in (
        ({"ContentBasedDeduplication": "true"}, "Unknown Attribute ContentBasedDeduplication"),
        ({"Colour": "red"}, "InvalidAttributeName"),
    )
]
CASES += [
    (
        "sqs",
        "create_queue",
        {"QueueName": "n.fifo", "Attributes": {"FifoQueue": "true", "RedrivePolicy": REDRIVE}},
        "must be same type of queue",
    ),
    ("sqs", "tag_queue", {"QueueUrl": URL, "Tags": {str(n): "a" for n in range(51)}}, "50 tags"),
]
CASES += [
    ("sqs", "send_message", {"QueueUrl": URL, "MessageBody": "a", "MessageAttributes": m}, words)
    for m, words in (
        ({str(n): TEXT for n in range(11)}, "exceeds the allowed maximum"),
        ({"a": TEXT | {"DataType": "Colour"}}, "invalid message attribute type"),
        ({"AWS.a": TEXT}, "is invalid"),
        ({"a": {"DataType": "String"}}, "must contain non-empty"),
        ({"a": TEXT | {"DataType": "Number"}}, "to a number"),
    )
]
SUBSCRIBE = {"TopicArn": TOPIC_ARN, "Protocol": "sqs", "Endpoint": QUEUE}
CASES += [
    ("sns", "subscribe", SUBSCRIBE | more, words)
    for more, words in (
        ({"Endpoint": "a"}, "Endpoint Reason"),
        ({"Protocol": "email"}, "Endpoint Reason"),
        ({"Protocol": "https", "Endpoint": "ftp://a"}, "Endpoint Reason"),
        ({"Endpoint": f"{QUEUE}.fifo"}, "FIFO SQS Queues can not be subscribed"),
        ({"Attributes": {"FilterPolicy": "{x"}}, "failed to parse JSON"),
        ({"Attributes": {"FilterPolicy": '{"a": "b"}'}}, "FilterPolicy"),
        ({"Attributes": {"FilterPolicyScope": "a"}}, "FilterPolicyScope"),
        ({"Attributes": {"Colour": "a"}}, "AttributeName"),
        ({"Attributes": {"RawMessageDelivery": "true"}}, "different attributes"),
        (
            {
                "Protocol": "email",
                "Endpoint": "a@b.cd",
                "Attributes": {"RawMessageDelivery": "true"},
            },
            "does not support raw message delivery",
        ),
    )
]
CASES += [
    ("sns", "publish", {"TopicArn": TOPIC_ARN, "Message": "a"} | more, words)
    for more, words in (
        ({"MessageStructure": "json"}, "failed to parse"),
        ({"MessageStructure": "json", "Message": '{"sqs": "a"}'}, "No default entry"),
        ({"TopicArn": "a"}, "InvalidParameter"),
        ({"MessageAttributes": {"a": TEXT | {"DataType": "Colour"}}}, "ParameterValueInvalid"),
    )
]
CASES += [
    ("sns", "publish", {"Message": "a"}, "no value for required parameter"),
    ("sns", "unsubscribe", {"SubscriptionArn": "a"}, "SubscriptionArn"),
    ("sns", "create_topic", {"Name": "n", "Attributes": {"Colour": "a"}}, "Unknown attribute"),
]
PARAMETER = {"Name": "/a", "Value": "v", "Type": "String"}
CASES += [
    ("ssm", "put_parameter", PARAMETER | more, words)
    for more, words in (
        ({"KeyId": "alias/aws/ssm"}, "SecureString"),
        ({"Policies": "[1]"}, "leave Policies out"),
        ({"DataType": "aws:ec2:image"}, "data type is not supported"),
        ({"AllowedPattern": "["}, "InvalidAllowedPatternException"),
        ({"Name": "/advanced", "Tier": "Standard", "Overwrite": True}, "can't downgrade"),
    )
]
CASES += [
    (
        "ssm",
        "add_tags_to_resource",
        {"ResourceType": "Parameter", "ResourceId": "/none", "Tags": [{"Key": "a", "Value": "b"}]},
        "InvalidResourceId",
    ),
    (
        "iam",
        "tag_role",
        {"RoleName": "known", "Tags": [{"Key": "aws:a", "Value": "b"}]},
        "InvalidInput",
    ),
    (
        "logs",
        "put_metric_filter",
        {
            "logGroupName": "/known",
            "filterName": "a",
            "filterPattern": "{ $.a = 1",
            "metricTransformations": [
                {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
            ],
        },
        "Invalid metric filter pattern",
    ),
    ("cloudwatch", "put_dashboard", {"DashboardName": "a", "DashboardBody": "{x"}, "valid JSON"),
]
ALARM = {
    "AlarmName": "a",
    "Namespace": "n",
    "MetricName": "m",
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 1,
    "EvaluationPeriods": 1,
    "Period": 60,
}
CASES += [
    ("cloudwatch", "put_metric_alarm", ALARM | more, words)
    for more, words in (
        ({"AlarmActions": ["a"]}, "Invalid arn syntax"),
        ({"TreatMissingData": "maybe"}, "TreatMissingData"),
    )
]
CASES += [
    ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [datum]}, words)
    for datum, words in (
        ({"MetricName": "m"}, "must be specified"),
        ({"MetricName": "m", "Value": 1, "Values": [1]}, "mutually exclusive"),
        ({"MetricName": "m", "Values": [1, 2], "Counts": [1]}, "must be of the same size"),
    )
]
STATISTICS = {"Namespace": "n", "MetricName": "m", "StartTime": 0, "EndTime": 600, "Period": 60}
CASES += [
    ("cloudwatch", "get_metric_statistics", STATISTICS | {"Statistics": ["Sum"]} | more, words)
    for more, words in (
        ({"Statistics": []}, "valid min length"),
        ({"Period": 61}, "multiple of 60"),
        ({"StartTime": 1200}, "must be less than the parameter EndTime"),
        ({"EndTime": 864_000}, "exceeds the limit of 1440"),
    )
]
ACTION = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}}
RULE = ACTION | {"Expiration": {"Days": 1}}
CASES += [
    ("s3", "put_bucket_tagging", {"Bucket": "known", "Tagging": {"TagSet": tags}}, words)
    for tags, words in (
        ([{"Key": "a", "Value": "a"}] * 2, "multiple Tags with the same key"),
        ([{"Key": "aws:a", "Value": "a"}], "System tags cannot"),
        ([{"Key": "a" * 129, "Value": "a"}], "TagKey"),
        ([{"Key": "a", "Value": "a" * 257}], "TagValue"),
    )
]
CASES += [
    (
        "s3",
        "put_bucket_lifecycle_configuration",
        {"Bucket": "known", "LifecycleConfiguration": {"Rules": rules}},
        words,
    )
    for rules, words in (([RULE] * 2, "Rule ID must be unique"), ([ACTION], "At least one action"))
]
EVENTS = [{"QueueArn": QUEUE, "Events": [f"s3:ObjectCreated:{kind}"]} for kind in ("*", "Put")]
CASES += [
    (
        "s3",
        "put_bucket_notification_configuration",
        {"Bucket": "known", "NotificationConfiguration": {"QueueConfigurations": EVENTS}},
        "Configurations overlap",
    ),
    (
        "s3",
        "put_bucket_logging",
        {
            "Bucket": "known",
            "BucketLoggingStatus": {
                "LoggingEnabled": {"TargetBucket": "none-such", "TargetPrefix": "a"}
            },
        },
        "InvalidTargetBucketForLogging",
    ),
    (
        "s3",
        "copy_object",
        {"Bucket": "known", "Key": "k", "CopySource": "known/k"},
        "copy an object to itself",
    ),
    (
        "s3",
        "put_object",
        {"Bucket": "known", "Key": "k", "Body": b"", "SSEKMSKeyId": "a"},
        "requires HTTP header",
    ),
    ("s3", "list_objects_v2", {"Bucket": "known", "MaxKeys": -1}, "maxKeys"),
    (
        "s3",
        "delete_objects",
        {"Bucket": "known", "Delete": {"Objects": [{"Key": str(n)} for n in range(1001)]}},
        "MalformedXML",
    ),
]
SCHEDULE = {
    "Name": "n",
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": QUEUE, "RoleArn": GHOST},
}
CASES += [
    ("scheduler", "create_schedule", SCHEDULE | more, words)
    for more, words in (
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes"),
        ({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}, "MaximumWindow"),
        ({"ScheduleExpression": "at(2030-13-01T00:00:00)"}, "Invalid Schedule Expression"),
        ({"StartDate": 1.9e9, "EndDate": 1.8e9}, "EndDate must be after StartDate"),
        ({"EndDate": 1.5e9}, "EndDate"),
    )
]
SELECTION = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
EXPIRES = {"rulePriority": 1, "selection": SELECTION, "action": {"type": "expire"}}
CASES += [
    (
        "ecr",
        "put_lifecycle_policy",
        {"repositoryName": "known", "lifecyclePolicyText": json.dumps(document) + " " * 98},
        words,
    )
    for document, words in (
        ([], "Could not map policyString"),
        ({}, "missing required properties"),
        ({"rules": [EXPIRES | {"rulePriority": 0}]}, "required minimum"),
        ({"rules": [EXPIRES | {"colour": 1}]}, "not allowed by the schema"),
        ({"rules": [EXPIRES | {"selection": SELECTION | {"tagStatus": "tagged"}}]}, "tagPrefix"),
        ({"rules": [EXPIRES, EXPIRES | {"rulePriority": 2}]}, "must come last"),
    )
]
CASES += [
    (
        "ecr",
        "describe_images",
        {"repositoryName": "known", "imageIds": [{"imageTag": "none"}]},
        "ImageNotFoundException",
    ),
    ("athena", "stop_query_execution", {"QueryExecutionId": "none"}, "was not found"),
    ("glue", "create_database", {"DatabaseInput": {"Name": "Upper"}}, "write upper"),
    (
        "glue",
        "create_partition",
        {"DatabaseName": "known", "TableName": "t", "PartitionInput": {"Values": ["a", "b"]}},
        "number of partition keys do not match",
    ),
    (
        "cloudformation",
        "create_stack",
        {"StackName": "n", "TemplateBody": "{}", "TemplateURL": "https://a.s3.amazonaws.com/b"},
        "cannot both be given",
    ),
    (
        "cloudformation",
        "create_stack",
        {"StackName": "n", "TemplateBody": "{}", "StackPolicyBody": "{x"},
        "Error validating stack policy",
    ),
]


@pytest.mark.parametrize(("service", "method", "arguments", "words"), CASES)
def test_it_is_refused(
    known: Client, service: str, method: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(known(service), method)(**arguments)
    assert words in str(refused.value)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500


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


def test_a_role_has_ten_managed_policies(known: Client) -> None:
    iam = known("iam")
    for number in range(11):
        name = f"ten-{uuid.uuid4().hex[:8]}"
        arn = iam.create_policy(PolicyName=name, PolicyDocument=policy())["Policy"]["Arn"]
        if number < 10:
            iam.attach_role_policy(RoleName="known", PolicyArn=arn)
    with pytest.raises(ClientError, match="PoliciesPerRole: 10"):
        iam.attach_role_policy(RoleName="known", PolicyArn=arn)


def test_a_queue_is_purged_and_made_again_after_a_minute(known: Client) -> None:
    sqs, name = known("sqs"), f"queue-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    with pytest.raises(ClientError, match="PurgeQueueInProgress"):
        sqs.purge_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(ClientError, match="QueueDeletedRecently"):
        sqs.create_queue(QueueName=name)


def test_entries_of_a_batch_are_answered_one_by_one(known: Client) -> None:
    entries = [
        {"Id": "1", "MessageBody": "a"},
        {"Id": "2", "MessageBody": "a", "MessageAttributes": {"a": TEXT | {"DataType": "Colour"}}},
    ]
    answer = known("sqs").send_message_batch(QueueUrl=URL, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["1"]
    assert [each["Code"] for each in answer["Failed"]] == ["InvalidParameterValue"]


def test_objects_are_encrypted_by_default(known: Client) -> None:
    s3, place = known("s3"), {"Bucket": "known", "Key": "encrypted"}
    assert s3.put_object(**place, Body=b"")["ServerSideEncryption"] == "AES256"
    assert s3.head_object(**place)["ServerSideEncryption"] == "AES256"


TOPIC = {"Type": "AWS::SNS::Topic"}
TEMPLATES: list[tuple[dict[str, Any], str]] = [
    ({}, "At least one Resources member must be defined"),
    ({"Resources": {"A": TOPIC}, "Unknown": {}}, "Invalid template property or properties"),
    ({"Resources": {"A": {}}}, "Every Resources object must contain a Type member"),
    ({"Resources": {"A-b": TOPIC}}, "A-b is non alphanumeric"),
    ({"Resources": {"A": TOPIC | {"Unknown": 1}}}, "Invalid template resource property"),
    ({"Resources": {"A": TOPIC | {"DependsOn": "B"}}}, "Unresolved resource dependencies"),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Ref": "B"}}}}},
        "Unresolved resource dependencies",
    ),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Fn::Sub": "${B}"}}}}},
        "Unresolved resource dependencies",
    ),
    ({"Resources": {"A": TOPIC}, "Outputs": {"O": {"Value": {"Ref": "B"}}}}, "Outputs block"),
    (
        {"Resources": {"A": TOPIC | {"DependsOn": "B"}, "B": TOPIC | {"DependsOn": "A"}}},
        "Circular dependency between resources",
    ),
    ({"Resources": {"A": TOPIC | {"DeletionPolicy": "Keep"}}}, "DeletionPolicy Keep"),
    (
        {"Resources": {"A": TOPIC | {"DeletionPolicy": "Snapshot"}}},
        "does not support deletion policy Snapshot",
    ),
    ({"Resources": {"A": TOPIC | {"Condition": "C"}}}, "Unresolved condition dependency C"),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Fn::Guess": "x"}}}}},
        "the function Fn::Guess is not supported",
    ),
    (
        {"Resources": {"A": TOPIC}, "Parameters": {"P": {"Type": "Text", "Default": "a"}}},
        "Unrecognized parameter type",
    ),
]


@pytest.mark.parametrize(("template", "words"), TEMPLATES)
def test_a_template_is_refused(known: Client, template: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError) as refused:
        known("cloudformation").create_stack(StackName="refused", TemplateBody=json.dumps(template))
    assert words in str(refused.value)


def _of_template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _document(text: str) -> Any:
    return json.loads(text)


POLICIES = [
    (
        _of_template("IAM::Role", AssumeRolePolicyDocument=_document(trust(Action="s3:GetObject"))),
        "may only specify STS AssumeRole actions",
    ),
    (
        _of_template(
            "IAM::Role",
            AssumeRolePolicyDocument=_document(trust()),
            Policies=[{"PolicyName": "p", "PolicyDocument": _document(policy(Sid="a b"))}],
        ),
        "must be alpha-numeric",
    ),
    (
        _of_template(
            "IAM::Role",
            AssumeRolePolicyDocument=_document(trust()),
            ManagedPolicyArns=["arn:aws:iam::aws:policy/NoSuchAccess"],
        ),
        "does not exist or is not attachable",
    ),
    (
        _of_template(
            "IAM::Policy",
            PolicyName="p",
            Roles=["known"],
            PolicyDocument=_document(policy(Resource="bucket")),
        ),
        "must be in ARN format",
    ),
    (
        _of_template("IAM::ManagedPolicy", PolicyDocument=_document(policy(Action="s3"))),
        "must be prefaced by a vendor",
    ),
    (
        _of_template(
            "SNS::TopicPolicy", Topics=[TOPIC_ARN], PolicyDocument=_document(policy(Principal="*"))
        ),
        "out of service scope",
    ),
    (
        _of_template(
            "SQS::QueuePolicy",
            Queues=[URL],
            PolicyDocument=_document(policy(Principal={"AWS": GHOST})),
        ),
        "Invalid value for the parameter Policy",
    ),
    (
        _of_template("S3::BucketPolicy", Bucket="known", PolicyDocument=_document(policy())),
        "Missing required field Principal",
    ),
    (
        _of_template(
            "ECR::Repository", RepositoryPolicyText=_document(policy(Principal={"AWS": ACCOUNT}))
        ),
        "Invalid repository policy provided",
    ),
    (
        _of_template(
            "Lambda::Permission", FunctionName="f", Action="lambda:InvokeFunction", Principal=GHOST
        ),
        "provided principal was invalid",
    ),
]


def test_policies_of_a_template_are_refused_like_those_of_requests(
    known: Client, eventually: Callable[..., Any]
) -> None:
    cloudformation = known("cloudformation")
    for number, (resource, _words) in enumerate(POLICIES):
        body = json.dumps({"Resources": {"A": resource}})
        given = {"StackName": f"policy-{number}", "TemplateBody": body}
        cloudformation.create_stack(**given, Capabilities=["CAPABILITY_IAM"])
    for number, (_resource, words) in enumerate(POLICIES):
        name = f"policy-{number}"
        stack = eventually(
            lambda name=name: [
                each
                for each in cloudformation.describe_stacks(StackName=name)["Stacks"]
                if each["StackStatus"] == "ROLLBACK_COMPLETE"
            ]
        )
        assert stack
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [event.get("ResourceStatusReason", "") for event in events]
        assert any(words in reason for reason in reasons), reasons
