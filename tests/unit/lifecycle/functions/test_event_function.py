from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from lifecycle.functions.event_function import EventFunction


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    function = EventFunction(
        stack,
        "Starter",
        handler="retrain",
        description="Starts something",
        encryption_key=kms.Key(stack, "Key"),
        timeout=cdk.Duration.minutes(1),
        environment={},
    )
    function.run_on(
        "Drift",
        description="Something drifted",
        pattern=events.EventPattern(source=["fraudloop.monitor"]),
    )
    function.run_every(
        "Weekly", description="A week went by", schedule=events.Schedule.expression("rate(7 days)")
    )
    assert function.alarm.alarm_name
    with pytest.raises(ValueError, match="Late must be defined before alarm is read"):
        function.run_on("Late", description="Unwatched", pattern=events.EventPattern(source=["x"]))
    stack.node.find_child("Starter").node.try_remove_child("Late")
    return Template.from_stack(stack)


def only(template: Template, kind: str) -> str:
    (logical_id,) = template.find_resources(kind)
    return str(logical_id)


def test_the_queue_is_encrypted_under_the_key_and_keeps_two_weeks(template: Template) -> None:
    template.has_resource_properties(
        "AWS::SQS::Queue",
        {
            "KmsMasterKeyId": {"Fn::GetAtt": [only(template, "AWS::KMS::Key"), "Arn"]},
            "MessageRetentionPeriod": 14 * 24 * 3600,
        },
    )


def test_the_queue_refuses_plain_http(template: Template) -> None:
    template.has_resource_properties(
        "AWS::SQS::QueuePolicy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Effect": "Deny",
                                "Action": "sqs:*",
                                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                            }
                        )
                    ]
                )
            }
        },
    )


def test_what_fails_is_tried_again_and_then_kept(template: Template) -> None:
    queue_arn = {"Fn::GetAtt": [only(template, "AWS::SQS::Queue"), "Arn"]}
    template.has_resource_properties(
        "AWS::Lambda::EventInvokeConfig",
        {
            "FunctionName": {"Ref": only(template, "AWS::Lambda::Function")},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        },
    )


def test_what_cannot_be_delivered_is_kept_too(template: Template) -> None:
    queue_arn = {"Fn::GetAtt": [only(template, "AWS::SQS::Queue"), "Arn"]}
    template.all_resources_properties(
        "AWS::Events::Rule",
        {
            "Targets": [
                Match.object_like(
                    {
                        "DeadLetterConfig": {"Arn": queue_arn},
                        "RetryPolicy": {
                            "MaximumRetryAttempts": 2,
                            "MaximumEventAgeInSeconds": 3600,
                        },
                    }
                )
            ]
        },
    )


def test_the_function_may_write_to_the_queue_under_the_key(template: Template) -> None:
    for action, kind in (
        ("sqs:SendMessage", "AWS::SQS::Queue"),
        (["kms:Decrypt", "kms:GenerateDataKey"], "AWS::KMS::Key"),
    ):
        through = {"Condition": {"StringEquals": {"kms:ViaService": Match.any_value()}}}
        template.has_resource_properties(
            "AWS::IAM::Policy",
            {
                "PolicyDocument": {
                    "Statement": Match.array_with(
                        [
                            {
                                "Effect": "Allow",
                                "Action": action,
                                "Resource": {"Fn::GetAtt": [only(template, kind), "Arn"]},
                                **(through if kind == "AWS::KMS::Key" else {}),
                            }
                        ]
                    )
                }
            },
        )


def test_events_and_times_start_it(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule", {"EventPattern": {"source": ["fraudloop.monitor"]}}
    )
    template.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(7 days)"})


def test_an_event_that_was_not_handled_is_an_alarm(template: Template) -> None:
    (alarm,) = template.find_resources("AWS::CloudWatch::Alarm").values()
    stats = [m["MetricStat"] for m in alarm["Properties"]["Metrics"] if "MetricStat" in m]
    rules = template.find_resources("AWS::Events::Rule")
    expected: list[tuple[str, dict[str, Any]]] = [
        (name, {"Ref": rule})
        for rule in rules
        for name in ("FailedInvocations", "InvocationsFailedToBeSentToDlq")
    ]
    queue = {"Fn::GetAtt": [only(template, "AWS::SQS::Queue"), "QueueName"]}
    expected.append(("ApproximateNumberOfMessagesVisible", queue))
    metrics = [stat["Metric"] for stat in stats]
    found = [(metric["MetricName"], metric["Dimensions"][0]["Value"]) for metric in metrics]
    assert sorted(found, key=str) == sorted(expected, key=str)
