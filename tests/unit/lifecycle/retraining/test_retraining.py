from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.retraining.retraining import Retraining, RetrainingConfig

STATE = "/fraudloop/test/retraining-state"


def define(new_stack: Callable[[], cdk.Stack], *, with_alarm: bool, **config: Any) -> Template:
    stack = new_stack()
    alarm = cloudwatch.Alarm(
        stack,
        "Quality",
        metric=cloudwatch.Metric(namespace="test", metric_name="Quality"),
        threshold=1,
        evaluation_periods=1,
    )
    Retraining(
        stack,
        "Retraining",
        pipeline_name="fraudloop-test-training",
        raw_bucket=s3.Bucket(stack, "Raw"),
        state_parameter_name=STATE,
        endpoint_name="fraudloop-test-fraud",
        metric_namespace="fraudloop/test",
        quality_alarm=alarm if with_alarm else None,
        encryption_key=kms.Key(stack, "Key"),
        config=RetrainingConfig(**config),
    )
    return Template.from_stack(stack)


@pytest.fixture(scope="module")
def configured(new_stack: Callable[[], cdk.Stack]) -> Template:
    """Every field at a value that is not its default."""
    return define(
        new_stack,
        with_alarm=True,
        kinds=("bias", "attribution"),
        cool_down_minutes=3,
        failed_cool_down_minutes=2,
        daily_budget=4,
        uncured_limit=5,
        schedule="cron(0 3 ? * MON *)",
    )


@pytest.fixture(scope="module")
def default(new_stack: Callable[[], cdk.Stack]) -> Template:
    return define(new_stack, with_alarm=False)


def patterns(template: Template) -> list[dict[str, Any]]:
    return [
        rule["Properties"]["EventPattern"]
        for rule in template.find_resources("AWS::Events::Rule").values()
        if "EventPattern" in rule["Properties"]
    ]


def variables(template: Template) -> dict[str, Any]:
    (function,) = template.find_resources(
        "AWS::Lambda::Function", {"Properties": {"Handler": "retrain.handler.handler"}}
    ).values()
    found: dict[str, Any] = function["Properties"]["Environment"]["Variables"]
    return found


def allowed(template: Template, action: str) -> list[Any]:
    """The resources of the statements with that action."""
    return [
        statement["Resource"]
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    ]


def test_monitors_and_people_start_it_and_what_failed_is_noted(default: Template) -> None:
    found = patterns(default)
    pipeline = found[-1]["detail"].pop("pipelineArn")
    assert pipeline[0]["Fn::Join"][1][-1] == ":pipeline/fraudloop-test-training"
    assert found == [
        {
            "source": ["fraudloop.monitor"],
            "detail-type": ["Monitoring Violations Found", "Monitoring Passed"],
        },
        {
            "source": ["fraudloop.operations"],
            "detail-type": ["Retraining Requested", "Retraining Resumed"],
        },
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
            "detail": {"currentPipelineExecutionStatus": ["Failed"]},
        },
    ]


def test_the_alarm_for_quality_starts_it_when_it_goes_off(configured: Template) -> None:
    (alarm_id,) = configured.find_resources(
        "AWS::CloudWatch::Alarm", {"Properties": {"Namespace": "test"}}
    )
    assert {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [{"Fn::GetAtt": [alarm_id, "Arn"]}],
        "detail": {"state": {"value": ["ALARM"]}},
    } in patterns(configured)


def test_without_a_schedule_time_starts_nothing(default: Template) -> None:
    rules = default.find_resources("AWS::Events::Rule").values()
    assert not any("ScheduleExpression" in rule["Properties"] for rule in rules)


def test_a_schedule_starts_it(configured: Template) -> None:
    configured.has_resource_properties(
        "AWS::Events::Rule", {"ScheduleExpression": "cron(0 3 ? * MON *)"}
    )


def test_the_handler_knows_its_configuration(configured: Template) -> None:
    (bucket_id,) = configured.find_resources("AWS::S3::Bucket")
    found = variables(configured)
    assert set(found.pop("QUEUE_URL")) == {"Ref"}
    assert found == {
        "PIPELINE_NAME": "fraudloop-test-training",
        "RAW_BUCKET": {"Ref": bucket_id},
        "STATE_PARAMETER": STATE,
        "ENDPOINT_NAME": "fraudloop-test-fraud",
        "METRIC_NAMESPACE": "fraudloop/test",
        "RETRY_SECONDS": "60",
        "KINDS": "bias attribution",
        "COOL_DOWN_SECONDS": "180",
        "FAILED_COOL_DOWN_SECONDS": "120",
        "DAILY_BUDGET": "4",
        "UNCURED_LIMIT": "5",
    }


def test_by_default_a_week_passes_between_retrainings(default: Template) -> None:
    found = variables(default)
    assert found["COOL_DOWN_SECONDS"] == str(7 * 24 * 3600)
    assert found["FAILED_COOL_DOWN_SECONDS"] == str(3600)
    assert found["KINDS"] == "data-quality model-quality attribution"
    assert (found["DAILY_BUDGET"], found["UNCURED_LIMIT"]) == ("2", "3")


def test_it_may_start_that_pipeline_list_that_bucket_and_keep_its_state(default: Template) -> None:
    (bucket_id,) = default.find_resources("AWS::S3::Bucket")
    assert allowed(default, "s3:ListBucket") == [{"Fn::GetAtt": [bucket_id, "Arn"]}]
    for actions, name in (
        (
            ("sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"),
            ":pipeline/fraudloop-test-training",
        ),
        (("ssm:GetParameter", "ssm:PutParameter"), f":parameter{STATE}"),
    ):
        for action in actions:
            (resource,) = allowed(default, action)
            assert resource["Fn::Join"][1][-1] == name


def test_the_state_is_there_before_the_first_event(default: Template) -> None:
    default.has_resource_properties(
        "AWS::SSM::Parameter", {"Name": STATE, "Type": "String", "Value": "none"}
    )


def test_a_drift_that_is_not_cured_is_an_alarm_until_it_is_over(default: Template) -> None:
    (alarm,) = default.find_resources(
        "AWS::CloudWatch::Alarm", {"Properties": {"MetricName": "UncuredDrifts"}}
    ).values()
    properties = alarm["Properties"]
    assert properties["Namespace"] == "fraudloop/test"
    assert properties["Dimensions"] == [{"Name": "EndpointName", "Value": "fraudloop-test-fraud"}]
    assert properties["TreatMissingData"] == "ignore"
    assert properties["Threshold"] == 0
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    assert "`fraudloop retraining resume`" in properties["AlarmDescription"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kinds", ("drift",), r"^kinds must be of data-quality, .*, got drift; "),
        ("cool_down_minutes", 0, r"^cool_down_minutes must be at least 1, got 0; "),
        ("failed_cool_down_minutes", 0, r"^failed_cool_down_minutes must be at least 1, got 0; "),
        ("daily_budget", 0, r"^daily_budget must be at least 1, got 0; "),
        ("uncured_limit", 0, r"^uncured_limit must be between 1 and 5, got 0; "),
        ("uncured_limit", 6, r"^uncured_limit must be between 1 and 5, got 6; "),
        ("schedule", "weekly", r"^schedule must be a cron.*, got weekly; "),
    ],
)
def test_what_makes_no_sense_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetrainingConfig(**{field: value})
