"""The permissions that CloudFormation needs of the role or the caller that it acts as.

Which actions a resource takes say the schemas of CloudFormation's registry, which cfn-lint brings
along; and which of them IAM knows no resource for, its copy of the Service Authorization Reference.
Where the ARN of a resource cannot be derived, the action must be allowed on `*`: what is stricter
than AWS is found here, and what is laxer is found there.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from local_aws import adapter, registry
from local_aws.adapter.cloudformation.stack_roles import Change, authorize_stacks
from local_aws.adapter.identity.actors import Actor
from local_aws.keys.use import through_service
from local_aws.policies.passed_roles import roles_of

_SUFFIX = "XXXXXXXXXXXX"
# Of types whose resources are narrowed to in policies: the property that names a resource, and its
# ARN after the account.
_NAMES = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "alarm:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "dashboard/{}"),
    "AWS::SageMaker::Endpoint": ("EndpointName", "endpoint/{}"),
    "AWS::SageMaker::EndpointConfig": ("EndpointConfigName", "endpoint-config/{}"),
    "AWS::SageMaker::Model": ("ModelName", "model/{}"),
    "AWS::SageMaker::MonitoringSchedule": ("MonitoringScheduleName", "monitoring-schedule/{}"),
    "AWS::SageMaker::Pipeline": ("PipelineName", "pipeline/{}"),
    "AWS::Scheduler::Schedule": ("Name", "schedule/default/{}"),
}
_SCALING = "AWS::ApplicationAutoScaling::"
_PREFIXES = {
    "ApplicationAutoScaling": "application-autoscaling",
    "KinesisFirehose": "firehose",
}
_PASSED_TO = {"AWS::Scheduler::Schedule": "scheduler.amazonaws.com"}
# SageMaker asks for these on the endpoint's configuration, too (aws-cdk #11594).
_ALSO_ON_CONFIG = {"sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"}


def install() -> None:
    """Have stack operations act as their role, and IAM know what it is asked of them."""
    adapter.evaluate_conditions()
    adapter.roll_back_failed_creations()
    authorize_stacks(refusal)
    adapter.register_condition_keys("cloudformation", condition_keys)


def condition_keys(_action: str, _body: bytes, params: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of CloudFormation's own; one that a request does not set is absent."""
    single = {"cloudformation:RoleArn": "RoleARN", "cloudformation:TemplateUrl": "TemplateURL"}
    keys: dict[str, Any] = {
        key: _text(params[name]) for key, name in single.items() if name in params
    }
    types = [_text(value) for name, value in params.items() if name.startswith("ResourceTypes.")]
    return keys | ({"cloudformation:ResourceTypes": types} if types else {})


def refusal(change: Change, actor: Actor) -> str | None:
    """Why an actor may not make a change, in CloudFormation's words; None if they may."""
    for action, resource, keys in required(change):
        if (denied := actor.denied(action, resource, keys)) is not None:
            return f'Resource handler returned message: "{denied}" (HandlerErrorCode: AccessDenied)'
    return None


def required(change: Change) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Actions that a change takes, with their resources and condition keys."""
    if change.resource_type.startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
        yield "lambda:InvokeFunction", str(change.properties["ServiceToken"]), {}
        return
    if change.resource_type.startswith(("AWS::CDK::", "AWS::CloudFormation::")):
        return
    service = _service(change.resource_type)
    actions = permissions(change.resource_type, change.operation)
    if service == "sagemaker" and change.operation == "create" and change.properties.get("Tags"):
        # What SageMaker asks of whoever makes something with tags (permissions.py there).
        actions = tuple(dict.fromkeys((*actions, "sagemaker:AddTags")))
    for action in actions:
        prefix = action.partition(":")[0]
        if action == "iam:PassRole":
            to = _PASSED_TO.get(change.resource_type, f"{service}.amazonaws.com")
            for role in roles_of(change.properties):
                yield action, role, {"iam:PassedToService": to}
        elif prefix == service:
            for resource in _resources(change, action):
                yield action, resource, {}
        elif action == "s3:GetObject":
            for resource in _objects(change.properties):
                yield action, resource, {}
        else:
            # Of another service, what the properties name; the rest does not apply.
            for resource in _named(change.properties, f"arn:aws:{prefix}:"):
                keys = through_service(action, resource, service) if prefix == "kms" else {}
                yield action, resource, keys


def _resources(change: Change, action: str) -> Iterator[str]:
    if action.lower() in _without_resource():
        yield "*"
        return
    place = f"arn:aws:{_service(change.resource_type)}:{change.region}:{change.account}"
    if change.resource_type.startswith(_SCALING):
        yield f"{place}:scalable-target/{_SUFFIX}"
        return
    if change.resource_type not in _NAMES:
        yield "*"
        return
    member, form = _NAMES[change.resource_type]
    if form.startswith("dashboard/"):
        place = place.replace(change.region, "")  # dashboards are of no region
    yield f"{place}:{form.format(_name(change, member))}"
    if action in _ALSO_ON_CONFIG:
        yield f"{place}:endpoint-config/{change.properties['EndpointConfigName']}"


def _name(change: Change, member: str) -> str:
    """The resource's name, or one like CloudFormation is going to give it."""
    if change.physical_id:
        return change.physical_id.rpartition("/")[2]
    if member in change.properties:
        return str(change.properties[member])
    if change.resource_type.startswith("AWS::SageMaker::"):
        return f"{change.logical_id}-{_SUFFIX}"
    return f"{change.stack_name}-{change.logical_id}-{_SUFFIX}"


def _objects(value: Any) -> Iterator[str]:
    """ARNs of objects that properties name by bucket and key."""
    if isinstance(value, Mapping):
        if {"Bucket", "Key"} <= {*value}:
            yield f"arn:aws:s3:::{value['Bucket']}/{value['Key']}"
        for member in value.values():
            yield from _objects(member)


def _named(value: Any, prefix: str) -> Iterator[str]:
    """ARNs among the values of properties."""
    if isinstance(value, str) and value.startswith(prefix):
        yield value
    for member in value.values() if isinstance(value, Mapping) else ():
        yield from _named(member, prefix)
    for member in value if isinstance(value, list) else ():
        yield from _named(member, prefix)


def _service(resource_type: str) -> str:
    """The IAM prefix of a type's actions."""
    name = resource_type.split("::")[1]
    return _PREFIXES.get(name, name.lower())


@cache
def permissions(resource_type: str, operation: str) -> tuple[str, ...]:
    """What a type's handler may ask for; what was made or changed is read, too."""
    found = (registry.schema(resource_type) or {}).get("handlers", {})
    if not found:
        # Of before the registry: no list, so that only an administrator passes.
        return (f"{_service(resource_type)}:{operation}", "iam:PassRole")
    wanted = (operation,) if operation == "delete" else (operation, "read")
    handlers = [found.get(each, {}).get("permissions", ()) for each in wanted]
    return tuple(sorted({action for permissions in handlers for action in permissions}))


@cache
def _without_resource() -> frozenset[str]:
    """Actions that IAM allows on `*` only, in lower case."""
    return frozenset(
        f"{service}:{action}"
        for service, known in registry.data("AdditionalSpecs/Policies.json").items()
        for action, details in known["Actions"].items()
        if "Resources" not in details
    )


def _text(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) else str(value)
