"""Application Auto Scaling of endpoint variants.

scaling_records.py     what is kept
scaling_alarms.py      the alarms of target tracking
scaling_schedules.py   when scheduled actions are due
scaling_decisions.py   which capacity is wanted
scaling_engine.py      brings it about
"""

import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.autoscaling import alarms as scaling_alarms
from local_aws.sagemaker.autoscaling import records
from local_aws.sagemaker.autoscaling.engine import ScalingEngine
from local_aws.sagemaker.autoscaling.schedules import next_time
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.queries import page

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_SERVICE_ROLE = (
    "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
_TRACKING = "TargetTrackingScaling"


class AutoScaling:
    """RegisterScalableTarget, PutScalingPolicy, PutScheduledAction and their siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._engine = ScalingEngine(context)

    def recover(self) -> None:
        """Go on with the targets of the last run."""
        self._engine.start()

    def shutdown(self) -> None:
        """Change nothing any more."""
        self._engine.stop()

    def register_scalable_target(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a target, or change the one there is."""
        key = records.key(request)
        with self._store.transaction():
            target = self._store.get(records.TARGET, key) or self._new_target(request)
            target.update({k: v for k, v in request.items() if k not in {"Tags", "RoleARN"}})
            _check_bounds(MinCapacity=target["MinCapacity"], MaxCapacity=target["MaxCapacity"])
            self._store.put(records.TARGET, key, target)
        self._engine.start()
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def describe_scalable_targets(self, request: dict[str, Any]) -> dict[str, Any]:
        """Targets of a service."""
        wanted = request.get("ResourceIds")
        found = [
            target
            for target in self._store.list(records.TARGET)
            if _matches(target, request, "ServiceNamespace", "ScalableDimension")
            and (wanted is None or target["ResourceId"] in wanted)
        ]
        return page([*found], request, "ScalableTargets")

    def deregister_scalable_target(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a target, its policies and its scheduled actions."""
        key = records.key(records.find_target(self._context, request))
        self._store.delete(records.TARGET, key)
        for policy in self._store.list(records.POLICY, f"{key}|"):
            self._forget_policy(policy)
        for action in self._store.list(records.ACTION, f"{key}|"):
            name = records.key_of_named(action, "ScheduledActionName")
            self._store.delete(records.ACTION, name)
        return {}

    def put_scaling_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a target tracking policy, or change the one there is."""
        records.find_target(self._context, request)
        kind = request.get("PolicyType", "StepScaling")
        if kind != _TRACKING:
            raise unsupported(f"policies of type {kind}", f"use {_TRACKING}")
        member = f"{kind}PolicyConfiguration"
        if member not in request:
            raise validation(f"{member} must be given for a policy of type {kind}")
        key = records.key_of_named(request, "PolicyName")
        policy = self._store.get(records.POLICY, key) or {
            "PolicyARN": self._arn("scalingPolicy", request, f"policyName/{request['PolicyName']}"),
            "CreationTime": now(),
        }
        policy |= {**request, "PolicyType": kind}
        policy["Alarms"] = scaling_alarms.put(self._context, policy)
        self._store.put(records.POLICY, key, policy)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    def describe_scaling_policies(self, request: dict[str, Any]) -> dict[str, Any]:
        """Policies of a service."""
        found = self._named(records.POLICY, request, "PolicyName", "PolicyNames")
        return page(found, request, "ScalingPolicies")

    def delete_scaling_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a policy and its alarms."""
        key = records.key_of_named(request, "PolicyName")
        policy = self._store.get(records.POLICY, key)
        if policy is None:
            raise _missing("scaling policy", "policy name", request, request["PolicyName"])
        self._forget_policy(policy)
        return {}

    def put_scheduled_action(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a scheduled action, or change the one there is."""
        target = records.find_target(self._context, request)
        name = request["ScheduledActionName"]
        key = records.key_of_named(request, "ScheduledActionName")
        action = self._store.get(records.ACTION, key) or {
            "ScheduledActionARN": self._arn(
                "scheduledAction", request, f"scheduledActionName/{name}"
            ),
            "CreationTime": now(),
        }
        action |= request
        bounds = action.get("ScalableTargetAction", {})
        if "Schedule" not in action or not bounds:
            raise validation("Schedule and ScalableTargetAction must be given for a new action")
        within = {"MinCapacity": target["MinCapacity"], "MaxCapacity": target["MaxCapacity"]}
        _check_bounds(**{**within, **bounds})
        action["Next"] = next_time(action, now())
        if action["Next"] is None:
            raise validation(f"Schedule must have a time to come, got {action['Schedule']}")
        self._store.put(records.ACTION, key, action)
        return {}

    def describe_scheduled_actions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Scheduled actions of a service."""
        found = self._named(records.ACTION, request, "ScheduledActionName", "ScheduledActionNames")
        return page(found, request, "ScheduledActions")

    def delete_scheduled_action(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a scheduled action."""
        key = records.key_of_named(request, "ScheduledActionName")
        if not self._store.delete(records.ACTION, key):
            name = request["ScheduledActionName"]
            raise _missing("scheduled action", "scheduled action name", request, name)
        return {}

    def describe_scaling_activities(self, request: dict[str, Any]) -> dict[str, Any]:
        """What was done about a service's targets, newest first."""
        found = [a for a in self._store.list(records.ACTIVITY) if _matches(a, request)]
        found.sort(key=lambda activity: float(activity["StartTime"]), reverse=True)
        return page([*found], request, "ScalingActivities")

    def _named(self, kind: str, request: Mapping[str, Any], name: str, names: str) -> list[Any]:
        wanted = request.get(names)
        return [
            found
            for found in self._store.list(kind)
            if _matches(found, request) and (wanted is None or found[name] in wanted)
        ]

    def _forget_policy(self, policy: Mapping[str, Any]) -> None:
        self._store.delete(records.POLICY, records.key_of_named(policy, "PolicyName"))
        scaling_alarms.delete(self._context, policy)

    def _new_target(self, request: dict[str, Any]) -> dict[str, Any]:
        for member in ("MinCapacity", "MaxCapacity"):
            if member not in request:
                raise validation(f"{member} must be given for a new scalable target")
        if request["ServiceNamespace"] != "sagemaker":
            raise unsupported(f"scaling of {request['ServiceNamespace']}", "scale endpoints only")
        self._check_variant(request["ResourceId"], request["ScalableDimension"])
        account = self._context.account
        return {
            "ScalableTargetARN": f"arn:aws:application-autoscaling:{self._context.region}:"
            f"{account}:scalable-target/{uuid.uuid4().hex}",
            "RoleARN": request.get("RoleARN", f"arn:aws:iam::{account}:{_SERVICE_ROLE}"),
            "CreationTime": now(),
        }

    def _check_variant(self, resource_id: str, dimension: str) -> None:
        endpoint, variant = records.endpoint_and_variant(resource_id)
        if dimension != _DIMENSION:
            raise unsupported(f"the dimension {dimension}", f"use {_DIMENSION}")
        deployed = (self._store.get("endpoint", endpoint) or {}).get("Deployed", {})
        specs = (*deployed.get("variants", ()), *deployed.get("shadows", ()))
        spec = next((spec for spec in specs if spec["variant"] == variant), None)
        if spec is None:
            raise validation(
                f"ResourceId must name a variant of an endpoint in service, got {resource_id}; "
                "create the endpoint first"
            )
        if spec.get("serverless"):
            raise validation(f"ResourceId must name a variant of instances, got {resource_id}")

    def _arn(self, kind: str, request: Mapping[str, Any], name: str) -> str:
        return (
            f"arn:aws:autoscaling:{self._context.region}:{self._context.account}:{kind}:"
            f"{uuid.uuid4()}:resource/{request['ServiceNamespace']}/{request['ResourceId']}:{name}"
        )


def _check_bounds(*, MinCapacity: int, MaxCapacity: int) -> None:  # noqa: N803 - AWS's names
    if MinCapacity > MaxCapacity:
        raise validation(
            f"MinCapacity must be at most MaxCapacity {MaxCapacity}, got {MinCapacity}"
        )


def _matches(document: Mapping[str, Any], request: Mapping[str, Any], *members: str) -> bool:
    return all(request.get(m) in (None, document.get(m)) for m in members or records.KEY)


def _missing(what: str, member: str, request: Mapping[str, Any], name: str) -> ServiceError:
    return ServiceError(
        "ObjectNotFoundException",
        f"No {what} found for service namespace: {request['ServiceNamespace']}, resource ID: "
        f"{request['ResourceId']}, {member}: {name}",
    )
