"""More of what AWS refuses of requests that its models allow, each tried as a client would."""

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.known import GHOST, QUEUE, TOPIC_ARN, URL, Client, assert_refused, policy

CASES: list[tuple[str, str, dict[str, Any], str]] = []
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
        ({"Endpoint": "a"}, "SQS endpoint ARN"),
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
    (
        "sns",
        "publish",
        {"TopicArn": TOPIC_ARN, "Message": "a", "MessageDeduplicationId": "b"},
        "not valid for this topic type",
    ),
    (
        "sns",
        "publish_batch",
        {
            "TopicArn": f"{TOPIC_ARN}.fifo",
            "PublishBatchRequestEntries": [{"Id": "1", "Message": "a"}],
        },
        "MessageGroupId parameter is required",
    ),
    (
        "logs",
        "put_log_events",
        {
            "logGroupName": "/known",
            "logStreamName": "s",
            "logEvents": [{"timestamp": 1_700_000_000_000, "message": "old"}],
        },
        "more than 14 days ago",
    ),
    (
        "cloudwatch",
        "put_metric_alarm",
        {
            "AlarmName": "a",
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "ExtendedStatistic": "90",
            "MetricName": "m",
            "Namespace": "n",
            "Period": 60,
            "Threshold": 1,
        },
        "for parameter ExtendedStatistic",
    ),
    (
        "logs",
        "describe_log_streams",
        {"logGroupName": "/known", "orderBy": "LastEventTime", "logStreamNamePrefix": "s"},
        "Cannot order by LastEventTime",
    ),
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
        "Only one of TemplateBody and TemplateURL",
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
    assert_refused(known(service), method, arguments, words)


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
