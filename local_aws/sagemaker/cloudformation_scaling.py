"""How CloudFormation's Auto Scaling resources are created, updated and deleted."""

from local_aws.sagemaker.cloudformation_resources import Properties, Provisioned, Resource


class ScalableTarget(Resource):
    """AWS::ApplicationAutoScaling::ScalableTarget; Ref names resource, dimension and service."""

    service = "ApplicationAutoScaling"
    has_tags = False

    def create(self, _logical_id: str, properties: Properties, _stack_name: str) -> Provisioned:
        if properties.get("ScheduledActions"):
            raise ValueError("ScheduledActions are not supported by the local Auto Scaling")
        self._api.call("RegisterScalableTarget", properties)
        members = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        physical_id = "|".join(properties[member] for member in members)
        return physical_id, {"Id": physical_id}

    def update(
        self, _physical_id: str, _old: Properties, new: Properties, stack_name: str
    ) -> Provisioned:
        return self.create("", new, stack_name)

    def delete(self, _physical_id: str, properties: Properties) -> None:
        try:
            self._api.call("DeregisterScalableTarget", properties)
        except ValueError as error:
            if "ObjectNotFoundException" not in str(error):
                raise


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
        try:
            self._api.call("DeleteScalingPolicy", _with_target(properties))
        except ValueError as error:
            if "ObjectNotFoundException" not in str(error):
                raise


def _with_target(properties: Properties) -> Properties:
    """A policy's properties with its target spelled out."""
    target = properties.get("ScalingTargetId")
    if target is None:
        return properties
    members = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return {**dict(zip(members, target.split("|"), strict=True)), **properties}
