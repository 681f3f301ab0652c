from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from lifecycle.retraining import Retraining, RetrainingConfig

Define = Callable[..., Template]


@pytest.fixture
def define(stack: cdk.Stack, key: kms.IKey, bucket: s3.IBucket) -> Define:
    def template(*, with_alarm: bool, config: RetrainingConfig) -> Template:
        alarm = cloudwatch.Alarm(
            stack,
            "Drift",
            metric=cloudwatch.Metric(namespace="test", metric_name="Drift"),
            threshold=1,
            evaluation_periods=1,
        )
        Retraining(
            stack,
            "Retraining",
            pipeline_name="fraudloop-test-training",
            raw_bucket=bucket,
            drift_alarm=alarm if with_alarm else None,
            encryption_key=key,
            config=config,
        )
        return Template.from_stack(stack)

    return template


def patterns(template: Template) -> list[dict[str, Any]]:
    return [
        rule["Properties"]["EventPattern"]
        for rule in template.find_resources("AWS::Events::Rule").values()
        if "EventPattern" in rule["Properties"]
    ]


VIOLATIONS = {
    "source": ["fraudloop.monitor"],
    "detail-type": ["Monitoring Violations Found"],
}


def test_violations_start_it(define: Define) -> None:
    template = define(with_alarm=False, config=RetrainingConfig())
    assert patterns(template) == [VIOLATIONS]


def test_the_drift_alarm_starts_it_when_it_goes_off(define: Define) -> None:
    template = define(with_alarm=True, config=RetrainingConfig())
    (alarm_id,) = template.find_resources("AWS::CloudWatch::Alarm")
    assert {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [{"Fn::GetAtt": [alarm_id, "Arn"]}],
        "detail": {"state": {"value": ["ALARM"]}},
    } in patterns(template)


def test_without_a_schedule_time_starts_nothing(define: Define) -> None:
    template = define(with_alarm=True, config=RetrainingConfig())
    rules = template.find_resources("AWS::Events::Rule").values()
    assert not any("ScheduleExpression" in rule["Properties"] for rule in rules)


def test_a_schedule_starts_it(define: Define) -> None:
    template = define(with_alarm=True, config=RetrainingConfig(schedule="cron(0 3 ? * MON *)"))
    template.has_resource_properties(
        "AWS::Events::Rule", {"ScheduleExpression": "cron(0 3 ? * MON *)"}
    )


def test_the_handler_knows_pipeline_cool_down_and_data(define: Define) -> None:
    template = define(with_alarm=False, config=RetrainingConfig(cool_down_minutes=3))
    (bucket_id,) = template.find_resources("AWS::S3::Bucket")
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "retrain.handler.handler",
            "Environment": {
                "Variables": {
                    "PIPELINE_NAME": "fraudloop-test-training",
                    "COOL_DOWN_SECONDS": "180",
                    "RAW_BUCKET": {"Ref": bucket_id},
                }
            },
        },
    )


def test_it_may_start_that_pipeline_and_list_that_bucket(define: Define) -> None:
    template = define(with_alarm=False, config=RetrainingConfig())
    (bucket_id,) = template.find_resources("AWS::S3::Bucket")
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": [
                                "sagemaker:ListPipelineExecutions",
                                "sagemaker:StartPipelineExecution",
                            ],
                            "Resource": {
                                "Fn::Join": [
                                    "",
                                    Match.array_with([":pipeline/fraudloop-test-training"]),
                                ]
                            },
                        },
                        {
                            "Effect": "Allow",
                            "Action": "s3:ListBucket",
                            "Resource": {"Fn::GetAtt": [bucket_id, "Arn"]},
                        },
                    ]
                )
            }
        },
    )


def test_no_cool_down_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^cool_down_minutes must be at least 1, got 0; "):
        RetrainingConfig(cool_down_minutes=0)


def test_a_schedule_that_eventbridge_would_refuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^schedule must be a cron.*, got weekly; "):
        RetrainingConfig(schedule="weekly")
