"""How a new version takes over, what rolls it back, and how the fleet scales."""

from collections.abc import Mapping
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.rollout import AllAtOnce, Linear, RolloutConfig, Strategy
from lifecycle.endpoint.scaling import ScalingConfig, ScheduledFloor

from .conftest import Synthesize, alarms, only, properties


def test_a_new_version_comes_as_a_canary(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    assert deployment["BlueGreenUpdatePolicy"] == {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 34},
            "WaitIntervalInSeconds": 21,
        },
        "TerminationWaitInSeconds": 22,
        "MaximumExecutionTimeoutInSeconds": 623,
    }


@pytest.mark.parametrize(
    ("strategy", "routing"),
    [
        (
            Linear(step_percent=40, wait_seconds=31),
            {
                "Type": "LINEAR",
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40},
                "WaitIntervalInSeconds": 31,
            },
        ),
        (AllAtOnce(), {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}),
    ],
)
def test_a_new_version_comes_in_the_configured_steps(
    synthesize: Synthesize, strategy: Strategy, routing: Mapping[str, Any]
) -> None:
    config = EndpointConfig(
        rollout=RolloutConfig(strategy=strategy), scaling=ScalingConfig(min_instances=3)
    )
    endpoint = properties(synthesize(config), "AWS::SageMaker::Endpoint")
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == routing


def test_alarms_on_what_a_version_does_roll_it_back(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    watched = {
        alarm["AlarmName"]["Ref"][len("EndpointAlarms") : -8]
        for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]
    }
    assert watched == {
        *("Errors", "Latency", "FailedAnswers", "Slower"),
        *("Flagged", "Shifted", "HighScores", "LowScores"),
    }
    # SageMaker takes ten at most.
    assert set(alarms(template)) - watched == {"Degraded", "Throttled", "Unmeasured"}


def test_every_alarm_notifies_the_topic(template: Template) -> None:
    topic, _ = only(template, "AWS::SNS::Topic")
    assert all(alarm["AlarmActions"] == [{"Ref": topic}] for alarm in alarms(template).values())


def test_sagemaker_may_ask_whether_an_alarm_went_off(template: Template) -> None:
    place = Match.array_with([Match.string_like_regexp(":alarm:Test-\\*$")])
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": "cloudwatch:DescribeAlarms",
                            "Resource": {"Fn::Join": ["", place]},
                        }
                    ]
                )
            }
        },
    )


def test_an_update_keeps_the_instances_that_scaling_added(template: Template) -> None:
    endpoint = properties(template, "AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    excluded = {p["VariantPropertyType"] for p in endpoint["ExcludeRetainedVariantProperties"]}
    assert excluded == {"DesiredWeight", "DataCaptureConfig"}


def test_the_fleet_scales_with_the_load_of_an_instance(template: Template) -> None:
    endpoint_id, _ = only(template, "AWS::SageMaker::Endpoint")
    target = properties(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 7)
    assert target["ResourceId"]["Fn::Join"][1] == [
        "endpoint/",
        {"Fn::GetAtt": [endpoint_id, "EndpointName"]},
        "/variant/primary",
    ]
    assert "ScheduledActions" not in target
    assert tracked(template) == {
        "invocations-per-instance": {
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
            "TargetValue": 1234,
            "ScaleInCooldown": 11,
            "ScaleOutCooldown": 12,
        },
        "concurrent-requests": {
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
            "TargetValue": 5.5,
            "ScaleInCooldown": 11,
            "ScaleOutCooldown": 12,
        },
    }


def tracked(template: Template) -> dict[str, Any]:
    """What each scaling policy follows."""
    policies = template.find_resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    return {
        policy["Properties"]["PolicyName"]: policy["Properties"][
            "TargetTrackingScalingPolicyConfiguration"
        ]
        for policy in policies
    }


def test_a_target_that_is_switched_off_is_not_followed(synthesize: Synthesize) -> None:
    scaling = ScalingConfig(concurrent_requests=None, scale_in_seconds=None)
    (policy,) = tracked(synthesize(EndpointConfig(scaling=scaling))).values()
    assert policy["PredefinedMetricSpecification"]["PredefinedMetricType"] == (
        "SageMakerVariantInvocationsPerInstance"
    )
    assert policy["DisableScaleIn"] is True
    assert "ScaleInCooldown" not in policy
    assert tracked(
        synthesize(EndpointConfig(scaling=ScalingConfig(invocations_per_minute=None)))
    ).keys() == {"concurrent-requests"}


def test_floors_come_at_their_times(synthesize: Synthesize) -> None:
    floors = (
        ScheduledFloor(
            name="morning",
            schedule="cron(0 7 * * ? *)",
            timezone="Europe/Berlin",
            min_instances=6,
            max_instances=9,
        ),
        ScheduledFloor(name="evening", schedule="cron(0 20 * * ? *)", min_instances=2),
    )
    scaling = ScalingConfig(max_instances=8, floors=floors)
    target = properties(
        synthesize(EndpointConfig(scaling=scaling)), "AWS::ApplicationAutoScaling::ScalableTarget"
    )
    assert target["ScheduledActions"] == [
        {
            "ScheduledActionName": "morning",
            "Schedule": "cron(0 7 * * ? *)",
            "Timezone": "Europe/Berlin",
            "ScalableTargetAction": {"MinCapacity": 6, "MaxCapacity": 9},
        },
        {
            "ScheduledActionName": "evening",
            "Schedule": "cron(0 20 * * ? *)",
            "Timezone": "UTC",
            "ScalableTargetAction": {"MinCapacity": 2},
        },
    ]
