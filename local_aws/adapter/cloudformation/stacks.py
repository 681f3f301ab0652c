"""Adds resource types to ministack's CloudFormation."""

from collections.abc import Callable, Iterable
from typing import Any

from ministack.core import responses
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, provisioners, stacks

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]

_FAILED = "CREATE_FAILED"
_blocking_types: set[str] = set()
_runs_on_worker_thread = stacks._runs_on_worker_thread
stacks._runs_on_worker_thread = lambda resource_type: (
    resource_type in _blocking_types or _runs_on_worker_thread(resource_type)
)


def register_resource(
    resource_type: str,
    *,
    create: Callable[[str, Properties, str], Provisioned],
    delete: Callable[[str, Properties], None],
    update: Callable[[str, Properties, Properties, str], Provisioned] | None = None,
    replaces: Iterable[str] = (),
    blocking: bool = False,
    tags: tuple[str, str] | None = None,
) -> None:
    """Define (or redefine) how CloudFormation provisions a resource type.

    A function fails its resource by raising ValueError with the message for the stack's events.

    Args:
        resource_type: Such as `AWS::SageMaker::Model`.
        create: (logical ID, properties, stack name) to (Ref, attributes for GetAtt).
        delete: (physical ID, properties).
        update: (physical ID, old properties, new properties, stack name) to what `create` gives.
            If omitted, `create` is called again and must find the resource it made.
        replaces: Properties whose change replaces the resource.
        blocking: Whether these functions wait or call the embedded AWS; they then run in a thread.
        tags: The property that takes the stack's tags, and its shape: `("Tags", "list")`.
    """
    handler: dict[str, Any] = {"create": create, "delete": delete}
    if update is not None:
        handler["update"] = update
    provisioners._RESOURCE_HANDLERS[resource_type] = handler
    provisioners._REPLACING_PROPERTIES[resource_type] = tuple(replaces)
    if tags is not None:
        provisioners._STACK_TAG_PROPERTY[resource_type] = tags
    if blocking:
        _blocking_types.add(resource_type)


def refuse_named_replacements(
    resource_type: str, name: str, replaces: Callable[[Properties, Properties], bool]
) -> None:
    """Fail updates that would replace a resource which keeps the name that its template gives it.

    Args:
        resource_type: Its type.
        name: The property that names it.
        replaces: Whether a change from old to new properties replaces one.
    """
    provisioners._CUSTOM_NAME_REPLACEMENT[resource_type] = {
        "name": name,
        "requires_replacement": replaces,
    }


def note_failed_creation(
    resource_type: str, stack_name: str, logical_id: str, physical_id: str, properties: Properties
) -> None:
    """Have the stack hold a resource that was made and then failed, so that it is deleted.

    "When a CREATE operation fails, CloudFormation will automatically issue a DELETE operation with
    the PhysicalResourceId submitted by the FAILED response" (aws-cdk #5525): in the rollback, and
    with the stack where nothing is rolled back.
    """
    cloudformation._stacks[stack_name].setdefault("_resources", {})[logical_id] = {
        "PhysicalResourceId": physical_id,
        "ResourceType": resource_type,
        "ResourceStatus": _FAILED,
        "LogicalResourceId": logical_id,
        "Properties": properties,
        "Attributes": {},
        "Timestamp": responses.now_iso(),
    }


def roll_back_failed_creations() -> None:
    """Roll back what was noted with what was made."""
    inner = stacks._roll_back_operation

    async def roll_back(
        name: str, stack_id: str, stack: Properties, operation: Properties, *rest: Any
    ) -> Any:
        failed = operation["failed_logical_id"]
        if stack.get("_resources", {}).get(failed, {}).get("ResourceStatus") == _FAILED:
            operation["created"].append(failed)
        return await inner(name, stack_id, stack, operation, *rest)

    for module in (stacks, handlers):
        module._roll_back_operation = roll_back


def tell_unsupported_types(exists: Callable[[str], bool]) -> None:
    """Say of types that AWS has and the emulator has not that it has not; AWS's text is for others.

    Args:
        exists: Whether AWS has a type.
    """
    for module in (changesets, handlers):
        module.validate_template_support = _telling(module.validate_template_support, exists)


def _telling(inner: Callable[..., None], exists: Callable[[str], bool]) -> Callable[..., None]:
    def validate_template_support(*arguments: Any, **more: Any) -> None:
        try:
            inner(*arguments, **more)
        except ValueError as error:
            start, _, types = str(error).partition("Unrecognized resource types: [")
            named = types.rstrip("]").split(", ")
            known = sorted(each for each in named if types and exists(each))
            if start != "Template format error: " or not known:
                raise
            raise ValueError(
                f"The embedded AWS does not support the resource types [{', '.join(known)}], "
                "which AWS has; local_aws/README.md lists what it supports"
            ) from error

    return validate_template_support


def run_in_thread(resource_type: str) -> None:
    """Provision a type of ministack's own in a thread, as what waits or calls the server must."""
    _blocking_types.add(resource_type)


def resource_types() -> frozenset[str]:
    """All resource types that can be provisioned."""
    return frozenset(provisioners._RESOURCE_HANDLERS)


def physical_name(stack_name: str, logical_id: str, *, max_length: int = 63) -> str:
    """The name that CloudFormation gives to a resource whose template names none."""
    return str(provisioners._physical_name(stack_name, logical_id, max_len=max_length))
