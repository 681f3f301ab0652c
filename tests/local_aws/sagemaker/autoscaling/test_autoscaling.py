"""Application Auto Scaling, asked by a real client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import Serving

Client = Callable[[str], Any]
DIMENSION = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}


@pytest.fixture(scope="module")
def resource(client: Client) -> Iterator[str]:
    serving = Serving.make(client)
    endpoint = serving.endpoint(serving.config(serving.model()))
    yield f"endpoint/{endpoint}/variant/AllTraffic"
    client("sagemaker").delete_endpoint(EndpointName=endpoint)


@pytest.fixture
def scaling(client: Client) -> Any:
    return client("application-autoscaling")


def targets(scaling: Any, resource: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[resource]
    )["ScalableTargets"]
    return found


def test_a_target_lives_with_its_policies(scaling: Any, resource: str) -> None:
    scaling.register_scalable_target(**DIMENSION, ResourceId=resource, MinCapacity=1, MaxCapacity=3)
    scaling.put_scaling_policy(
        **DIMENSION,
        ResourceId=resource,
        PolicyName="invocations",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )
    scaling.register_scalable_target(**DIMENSION, ResourceId=resource, MaxCapacity=5)
    (target,) = targets(scaling, resource)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 5)
    (policy,) = scaling.describe_scaling_policies(
        ServiceNamespace="sagemaker", ResourceId=resource
    )["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == TRACKING
    scaling.deregister_scalable_target(**DIMENSION, ResourceId=resource)
    assert targets(scaling, resource) == []
    left = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=resource)
    assert left["ScalingPolicies"] == []


def test_bounds_must_make_sense(scaling: Any, resource: str) -> None:
    with pytest.raises(ClientError, match="MinCapacity must be at most MaxCapacity 1, got 2"):
        scaling.register_scalable_target(
            **DIMENSION, ResourceId=resource, MinCapacity=2, MaxCapacity=1
        )
    assert targets(scaling, resource) == []


@pytest.mark.parametrize("wrong", ["endpoint/nobody/variant/x", "table/x"])
def test_a_target_must_exist(scaling: Any, wrong: str) -> None:
    with pytest.raises(ClientError, match="ResourceId must"):
        scaling.register_scalable_target(
            **DIMENSION, ResourceId=wrong, MinCapacity=1, MaxCapacity=1
        )


def test_a_policy_needs_a_target(scaling: Any, resource: str) -> None:
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.put_scaling_policy(
            **DIMENSION,
            ResourceId=resource,
            PolicyName="p",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )


def test_scheduled_actions_are_kept_checked_and_deleted(scaling: Any, resource: str) -> None:
    named = {**DIMENSION, "ResourceId": resource}
    scaling.register_scalable_target(**named, MinCapacity=1, MaxCapacity=3)

    def put(**settings: Any) -> None:
        action = {"Schedule": "cron(0 8 * * ? *)", "ScalableTargetAction": {"MinCapacity": 2}}
        scaling.put_scheduled_action(
            **named, **{"ScheduledActionName": "day", **action, **settings}
        )

    put(Timezone="Europe/Berlin")
    found = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker", ResourceId=resource)
    (action,) = found["ScheduledActions"]
    assert (action["Timezone"], action["ScalableTargetAction"]) == (
        "Europe/Berlin",
        {"MinCapacity": 2},
    )
    for settings, reason in (
        ({"ScalableTargetAction": {"MinCapacity": 4}}, "at most MaxCapacity 3, got 4"),
        ({"Schedule": "at(2020-01-01T00:00:00)"}, "a time to come"),
        ({"Schedule": "daily"}, "Schedule must be at"),
    ):
        with pytest.raises(ClientError, match=reason):
            put(**settings)
    scaling.delete_scheduled_action(**named, ScheduledActionName="day")
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.delete_scheduled_action(**named, ScheduledActionName="day")
    scaling.deregister_scalable_target(**named)


def test_policies_that_do_not_act_are_refused(scaling: Any, resource: str) -> None:
    named = {**DIMENSION, "ResourceId": resource}
    scaling.register_scalable_target(**named, MinCapacity=1, MaxCapacity=3)
    with pytest.raises(ClientError, match="does not support policies of type StepScaling"):
        scaling.put_scaling_policy(
            **named,
            PolicyName="p",
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity"},
        )
    scaling.deregister_scalable_target(**named)
