"""The handlers that create, update and delete CloudFormation's Auto Scaling resources."""

from collections.abc import Callable

from local_aws.sagemaker.autoscaling.schedules import iso_seconds
from local_aws.sagemaker.cloudformation.resources import Properties, Provisioned, Resource


class ScalableTarget(Resource):
    """AWS::ApplicationAutoScaling::ScalableTarget; Ref names resource, dimension and service."""

    service = "ApplicationAutoScaling"
    has_tags = False

    def create(self, _logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
        self._api.call("RegisterScalableTarget", properties)
        members = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        for action in _actions(properties):
            named = {member: properties[member] for member in members} | action
            self._api.call("PutScheduledAction", named)
        physical_id = "|".join(properties[member] for member in members)
        return physical_id, {"Id": physical_id}

    def update(
        self, _physical_id: str, old: Properties, new: Properties, stack_name: str
    ) -> Provisioned:
        kept = {action["ScheduledActionName"] for action in _actions(new)}
        for action in _actions(old):
            if action["ScheduledActionName"] not in kept:
                _ignoring_absence(self._api.call, "DeleteScheduledAction", {**old, **action})
        return self.create("", new, stack_name)

    def delete(self, _physical_id: str, properties: Properties) -> None:
        _ignoring_absence(self._api.call, "DeregisterScalableTarget", properties)


class ScalingPolicy(Resource):
    """AWS::ApplicationAutoScaling::ScalingPolicy; Ref gives the ARN."""

    service = "ApplicationAutoScaling"
    has_tags = False

    def create(self, _logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
        arn = self._api.call("PutScalingPolicy", _with_target(properties))["PolicyARN"]
        return arn, {"Arn": arn}

    def update(
        self, _physical_id: str, _old: Properties, new: Properties, stack_name: str
    ) -> Provisioned:
        return self.create("", new, stack_name)

    def delete(self, _physical_id: str, properties: Properties) -> None:
        _ignoring_absence(self._api.call, "DeleteScalingPolicy", _with_target(properties))


def _ignoring_absence(
    call: Callable[[str, Properties], object], operation: str, properties: Properties
) -> None:
    """Delete something; what is gone already is as good."""
    try:
        call(operation, properties)
    except ValueError as error:
        if "ObjectNotFoundException" not in str(error):
            raise


def _actions(properties: Properties) -> list[Properties]:
    """A target's scheduled actions, with their times as the API takes them."""
    return [
        {k: iso_seconds(v) if k in {"StartTime", "EndTime"} else v for k, v in action.items()}
        for action in properties.get("ScheduledActions") or ()
    ]


def _with_target(properties: Properties) -> Properties:
    """A policy's properties with its target spelled out."""
    target = properties.get("ScalingTargetId")
    if target is None:
        return properties
    members = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return {**dict(zip(members, target.split("|"), strict=True)), **properties}
