from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from lifecycle.functions.queued_function import QueuedFunction
from local_aws.alarms.metric_math import Series, evaluate


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    function = QueuedFunction(
        stack,
        "Worker",
        handler="retrain",
        description="Does something",
        encryption_key=kms.Key(stack, "Key"),
        timeout=cdk.Duration.minutes(5),
        receives=7,
        environment={"SETTING": "value"},
    )
    function.run_on("Asked", description="Asked for", pattern={"source": ["somebody"]})
    function.run_every(
        "Daily", description="A day went by", schedule=events.Schedule.expression("rate(1 day)")
    )
    assert len(function.alarms) == 3
    with pytest.raises(ValueError, match="Late must be defined before alarms is read"):
        function.run_on("Late", description="Unwatched", pattern={"source": ["somebody"]})
    stack.node.find_child("Worker").node.try_remove_child("Late")
    return Template.from_stack(stack)


def queue(template: Template, name: str) -> tuple[str, dict[str, Any]]:
    """A queue's logical ID and properties."""
    ((logical_id, found),) = (
        (logical_id, found)
        for logical_id, found in template.find_resources("AWS::SQS::Queue").items()
        if logical_id.startswith(f"Worker{name}")
    )
    return logical_id, found["Properties"]


def arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def test_every_queue_is_encrypted_and_keeps_two_weeks(template: Template) -> None:
    (key,) = template.find_resources("AWS::KMS::Key")
    template.resource_count_is("AWS::SQS::Queue", 3)
    template.all_resources_properties(
        "AWS::SQS::Queue", {"KmsMasterKeyId": arn(key), "MessageRetentionPeriod": 14 * 24 * 3600}
    )


def test_every_queue_refuses_plain_http(template: Template) -> None:
    template.resource_count_is("AWS::SQS::QueuePolicy", 3)
    refusal = {
        "Effect": "Deny",
        "Action": "sqs:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    template.all_resources_properties(
        "AWS::SQS::QueuePolicy",
        {"PolicyDocument": {"Statement": Match.array_with([Match.object_like(refusal)])}},
    )


def test_one_message_is_handled_at_a_time(template: Template) -> None:
    logical_id, properties = queue(template, "Queue")
    assert properties["FifoQueue"] is True
    assert properties["ContentBasedDeduplication"] is True
    template.has_resource_properties(
        "AWS::Lambda::EventSourceMapping",
        {
            "EventSourceArn": arn(logical_id),
            "BatchSize": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    )
    groups = {
        target["SqsParameters"]["MessageGroupId"]
        for rule in template.find_resources("AWS::Events::Rule").values()
        for target in rule["Properties"]["Targets"]
    }
    assert len(groups) == 1


def test_a_run_may_be_given_several_messages_but_two_runs_are_never_at_a_time(
    new_stack: Callable[[], cdk.Stack],
) -> None:
    stack = new_stack()
    QueuedFunction(
        stack,
        "Worker",
        handler="retrain",
        description="Does something",
        encryption_key=kms.Key(stack, "Key"),
        timeout=cdk.Duration.minutes(5),
        receives=7,
        batch_size=10,
        environment={},
    ).run_on("Asked", description="Asked for", pattern={"source": ["somebody"]})
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::Lambda::EventSourceMapping", {"BatchSize": 10})
    template.has_resource_properties(
        "AWS::Events::Rule",
        {"Targets": [Match.object_like({"SqsParameters": {"MessageGroupId": "all"}})]},
    )


def test_a_message_that_was_given_out_too_often_is_a_dead_letter(template: Template) -> None:
    dead_letters, _ = queue(template, "DeadLetters")
    _, properties = queue(template, "Queue")
    assert properties["RedrivePolicy"] == {
        "deadLetterTargetArn": arn(dead_letters),
        "maxReceiveCount": 7,
    }


def test_no_message_is_given_out_again_while_it_is_handled(template: Template) -> None:
    _, properties = queue(template, "Queue")
    assert properties["VisibilityTimeout"] > 5 * 60
    template.has_resource_properties("AWS::Lambda::Function", {"Timeout": 5 * 60})


def test_what_eventbridge_cannot_deliver_goes_to_a_standard_queue(template: Template) -> None:
    logical_id, properties = queue(template, "Undelivered")
    assert "FifoQueue" not in properties
    template.all_resources_properties(
        "AWS::Events::Rule",
        {"Targets": [Match.object_like({"DeadLetterConfig": {"Arn": arn(logical_id)}})]},
    )


@pytest.mark.parametrize("name", ["Queue", "Undelivered"])
def test_rules_of_this_account_may_send(template: Template, name: str) -> None:
    logical_id, _ = queue(template, name)
    template.has_resource_properties(
        "AWS::SQS::QueuePolicy",
        {
            "Queues": [{"Ref": logical_id}],
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Effect": "Allow",
                                "Action": "sqs:SendMessage",
                                "Principal": {"Service": "events.amazonaws.com"},
                                "Condition": {"ArnLike": Match.any_value()},
                            }
                        )
                    ]
                )
            },
        },
    )


@pytest.mark.parametrize("name", ["DeadLetters", "Undelivered"])
def test_a_message_that_failed_is_an_alarm(template: Template, name: str) -> None:
    logical_id, _ = queue(template, name)
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Dimensions": [
                {"Name": "QueueName", "Value": {"Fn::GetAtt": [logical_id, "QueueName"]}}
            ],
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    )


@pytest.mark.parametrize("at_fault", ["failedInvocations1", "invocationsFailedToBeSentToDlq0"])
def test_an_event_that_went_nowhere_is_an_alarm(template: Template, at_fault: str) -> None:
    (alarm,) = (
        alarm["Properties"]
        for alarm in template.find_resources("AWS::CloudWatch::Alarm").values()
        if "Metrics" in alarm["Properties"]
    )
    watched = {
        (stat["Metric"]["MetricName"], stat["Metric"]["Dimensions"][0]["Value"]["Ref"])
        for stat in (metric.get("MetricStat") for metric in alarm["Metrics"])
        if stat is not None
    }
    rules = template.find_resources("AWS::Events::Rule")
    assert len(watched) == 2 * len(rules) == 4
    (expression,) = (m["Expression"] for m in alarm["Metrics"] if "Expression" in m)
    ids = [m["Id"] for m in alarm["Metrics"] if "MetricStat" in m]
    silence: dict[str, Series] = {name: [None] for name in ids}
    assert evaluate(expression, silence) == [alarm["Threshold"]] == [0]
    assert evaluate(expression, {**silence, at_fault: [2.0]}) == [2]


def test_the_function_may_take_from_its_queue_and_no_other(template: Template) -> None:
    logical_id, _ = queue(template, "Queue")
    (statement,) = (
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sqs:ReceiveMessage" in statement["Action"]
    )
    assert statement["Resource"] == arn(logical_id)
    assert set(statement["Action"]) == {
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }


def test_the_handler_knows_its_settings_and_its_queue(template: Template) -> None:
    logical_id, _ = queue(template, "Queue")
    variables = {"SETTING": "value", "QUEUE_URL": {"Ref": logical_id}}
    template.has_resource_properties(
        "AWS::Lambda::Function", {"Environment": {"Variables": variables}}
    )


def test_events_and_times_start_it(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule", {"EventPattern": {"source": ["somebody"]}}
    )
    template.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)"})
