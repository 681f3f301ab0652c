from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from lifecycle.streaming.consumer import ConsumerConfig, StreamConsumer
from lifecycle.streaming.event_stream import EventStream, StreamConfig


def define(around: Any, **config: Any) -> StreamConsumer:
    stream = EventStream(
        around.stack,
        "Events",
        stream_name="test-events",
        encryption_key=around.key,
        config=StreamConfig(),
    )
    return StreamConsumer(
        around.stack,
        "Consumer",
        stream=stream,
        handler="fold_customers",
        description="Folds",
        image=around.image,
        encryption_key=around.key,
        environment={"QUARANTINE_BUCKET": "raw"},
        config=ConsumerConfig(**config),
    )


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    define(around)
    return around


@pytest.fixture(scope="module")
def consumer(around: Any) -> Any:
    return around.stack.node.find_child("Consumer")


@pytest.fixture(scope="module")
def template(around: Any) -> Template:
    return around.template()


def test_a_failed_batch_is_halved_tried_again_and_kept(
    around: Any, consumer: Any, template: Template
) -> None:
    template.has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        {
            "BatchSize": 500,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MaximumRetryAttempts": 10,
            "MaximumRecordAgeInSeconds": 24 * 3600,
            "ParallelizationFactor": 1,
            "StartingPosition": "TRIM_HORIZON",
            "DestinationConfig": {
                "OnFailure": {"Destination": around.stack.resolve(consumer.failures.queue_arn)}
            },
        },
    )


def test_the_stream_is_read_as_configured(new_surroundings: Callable[[], Any]) -> None:
    around = new_surroundings()
    define(around, batch_size=7, retries=2, max_record_age_hours=1, concurrent_batches=4)
    around.template().has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        {
            "BatchSize": 7,
            "MaximumRetryAttempts": 2,
            "MaximumRecordAgeInSeconds": 3600,
            "ParallelizationFactor": 4,
        },
    )


def test_the_role_may_use_the_stream_and_the_queue_first(
    around: Any, consumer: Any, template: Template
) -> None:
    (source,) = template.find_resources("AWS::Lambda::EventSourceMapping").values()
    (policy,) = [
        name
        for name, body in template.find_resources("AWS::IAM::Policy").items()
        if around.stack.resolve(consumer.role.role_name) in body["Properties"]["Roles"]
    ]
    assert policy in source["DependsOn"]


def test_the_role_may_read_the_stream_and_keep_failures(around: Any, consumer: Any) -> None:
    stream = around.stack.node.find_child("Events").stream
    queue_arn = around.stack.resolve(consumer.failures.queue_arn)
    assert around.allowed(consumer.role, "kinesis:GetRecords") == [
        around.stack.resolve(stream.stream_arn)
    ]
    assert around.allowed(consumer.role, "kinesis:PutRecords") == []
    assert around.allowed(consumer.role, "sqs:SendMessage") == [queue_arn]
    assert around.key_arn in around.allowed(consumer.role, "kms:GenerateDataKey")


def test_failures_are_encrypted_refuse_plain_http_and_stay_two_weeks(
    around: Any, template: Template
) -> None:
    template.has_resource_properties(
        "AWS::SQS::Queue",
        {"KmsMasterKeyId": around.key_arn, "MessageRetentionPeriod": 14 * 24 * 3600},
    )
    template.has_resource_properties(
        "AWS::SQS::QueuePolicy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Effect": "Deny",
                                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                            }
                        )
                    ]
                )
            }
        },
    )


def test_failed_records_are_an_alarm(around: Any, consumer: Any, template: Template) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Dimensions": [
                {
                    "Name": "QueueName",
                    "Value": around.stack.resolve(consumer.failures.queue_name),
                }
            ],
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    )


def test_a_consumer_that_falls_behind_is_an_alarm(new_surroundings: Callable[[], Any]) -> None:
    around = new_surroundings()
    consumer = define(around, late_seconds=90)
    around.template().has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/Lambda",
            "MetricName": "IteratorAge",
            "Dimensions": [
                {
                    "Name": "FunctionName",
                    "Value": around.stack.resolve(consumer.function.function_name),
                }
            ],
            "Threshold": 90_000,
        },
    )


@pytest.mark.parametrize(
    ("name", "value", "largest"),
    [
        ("batch_size", 0, 10_000),
        ("batch_size", 10_001, 10_000),
        ("retries", 0, 10_000),
        ("max_record_age_hours", 169, 168),
        ("concurrent_batches", 11, 10),
    ],
)
def test_what_lambda_cannot_do_is_refused(name: str, value: int, largest: int) -> None:
    message = rf"^{name} must be between 1 and {largest}, got {value}; "
    with pytest.raises(ValueError, match=message):
        ConsumerConfig(**{name: value})


def test_late_means_a_while() -> None:
    with pytest.raises(ValueError, match=r"^late_seconds must be at least 1, got 0; "):
        ConsumerConfig(late_seconds=0)
