"""Application Auto Scaling: targets and policies, kept and described.

Targets and policies are checked and listed as AWS does it; policies do not act yet.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.queries import page

TARGET = "scalable-target"
POLICY = "scaling-policy"
_KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_SERVICE_ROLE = (
    "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


class AutoScaling:
    """RegisterScalableTarget, PutScalingPolicy and their siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def register_scalable_target(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a target, or change the one there is."""
        key = _key(request)
        with self._context.store.transaction():
            target = self._context.store.get(TARGET, key) or self._new_target(request)
            target.update({k: v for k, v in request.items() if k not in {"Tags", "RoleARN"}})
            self._check_bounds(target)
            self._context.store.put(TARGET, key, target)
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def describe_scalable_targets(self, request: dict[str, Any]) -> dict[str, Any]:
        """Targets of a service."""
        wanted = request.get("ResourceIds")
        found = [
            target
            for target in self._context.store.list(TARGET)
            if _matches(target, request, "ServiceNamespace", "ScalableDimension")
            and (wanted is None or target["ResourceId"] in wanted)
        ]
        return page([*found], request, "ScalableTargets")

    def deregister_scalable_target(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a target and its policies."""
        key = _key(request)
        if not self._context.store.delete(TARGET, key):
            raise _no_target(request)
        for policy in self._context.store.list(POLICY, f"{key}|"):
            self._context.store.delete(POLICY, _policy_key(policy))
        return {}

    def put_scaling_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a policy, or change the one there is."""
        if self._context.store.get(TARGET, _key(request)) is None:
            raise _no_target(request)
        kind = request.get("PolicyType", "StepScaling")
        member = f"{kind}PolicyConfiguration"
        if member not in request:
            raise validation(f"{member} must be given for a policy of type {kind}")
        key = _policy_key(request)
        policy = self._context.store.get(POLICY, key) or {
            "PolicyARN": f"arn:aws:autoscaling:{self._context.region}:{self._context.account}"
            f":scalingPolicy:{uuid.uuid4()}:resource/{request['ServiceNamespace']}"
            f"/{request['ResourceId']}:policyName/{request['PolicyName']}",
            "CreationTime": now(),
        }
        policy |= {**request, "PolicyType": kind, "Alarms": []}
        self._context.store.put(POLICY, key, policy)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": []}

    def describe_scaling_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        """Policies of a service."""
        names = request.get("PolicyNames")
        found = [
            policy
            for policy in self._context.store.list(POLICY)
            if _matches(policy, request, *_KEY) and (names is None or policy["PolicyName"] in names)
        ]
        return page([*found], request, "ScalingPolicies")

    def delete_scaling_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a policy."""
        if not self._context.store.delete(POLICY, _policy_key(request)):
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scaling policy found for service namespace: {request['ServiceNamespace']}, "
                f"resource ID: {request['ResourceId']}, policy name: {request['PolicyName']}",
            )
        return {}

    def describe_scaling_activities(self, request: dict[str, Any]) -> dict[str, Any]:
        """None: policies do not act yet."""
        return page([], request, "ScalingActivities")

    def _new_target(self, request: dict[str, Any]) -> dict[str, Any]:
        for member in ("MinCapacity", "MaxCapacity"):
            if member not in request:
                raise validation(f"{member} must be given for a new scalable target")
        if request["ServiceNamespace"] == "sagemaker":
            self._check_variant(request["ResourceId"])
        account = self._context.account
        return {
            "ScalableTargetARN": f"arn:aws:application-autoscaling:{self._context.region}:"
            f"{account}:scalable-target/{uuid.uuid4().hex}",
            "RoleARN": request.get("RoleARN", f"arn:aws:iam::{account}:{_SERVICE_ROLE}"),
            "CreationTime": now(),
        }

    def _check_variant(self, resource_id: str) -> None:
        endpoint, variant = _endpoint_variant(resource_id)
        document = self._context.store.get("endpoint", endpoint)
        plan = {} if document is None else document.get("Deployed", {})
        if variant not in plan.get("weights", {}):
            raise validation(
                f"ResourceId must name a variant of an endpoint in service, got {resource_id}; "
                "create the endpoint first"
            )

    def _check_bounds(self, target: Mapping[str, Any]) -> None:
        low, high = target["MinCapacity"], target["MaxCapacity"]
        if low > high:
            raise validation(f"MinCapacity must be at most MaxCapacity {high}, got {low}")


def _key(request: Mapping[str, Any]) -> str:
    return "|".join(request[member] for member in _KEY)


def _policy_key(request: Mapping[str, Any]) -> str:
    return f"{_key(request)}|{request['PolicyName']}"


def _matches(document: Mapping[str, Any], request: Mapping[str, Any], *members: str) -> bool:
    return all(request.get(m) in (None, document.get(m)) for m in members)


def _endpoint_variant(resource_id: str) -> tuple[str, str]:
    parts = resource_id.split("/")
    if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":  # noqa: PLR2004
        raise validation(f"ResourceId must be endpoint/<name>/variant/<name>, got {resource_id}")
    return parts[1], parts[3]


def _no_target(request: Mapping[str, Any]) -> ServiceError:
    return ServiceError(
        "ObjectNotFoundException",
        f"No scalable target registered for service namespace: {request['ServiceNamespace']}, "
        f"resource ID: {request['ResourceId']}, scalable dimension: "
        f"{request['ScalableDimension']}",
    )
