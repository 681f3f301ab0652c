"""Hooks on changes in ministack's CloudFormation and Parameter Store."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import ssm
from ministack.services.cloudformation import changesets, handlers, stacks

_STACK_TYPE = "AWS::CloudFormation::Stack"
_OK = 200

# (stack's ARN, status, reason, token of the request that caused it)
StackChanged = Callable[[str, str, str, str], None]
# (operation as AWS names it in events, the parameter as kept)
ParameterChanged = Callable[[str, dict[str, Any]], None]


def on_stack_status(changed: StackChanged) -> None:
    """Have a function called with each status that a stack takes, in the stack's account."""
    inner = stacks._add_event

    def add_event(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        physical_id: str = "",
        detailed_status: str = "",
    ) -> None:
        inner(
            stack_id,
            stack_name,
            logical_id,
            resource_type,
            status,
            reason,
            physical_id,
            detailed_status,
        )
        # A nested stack has an event in its parent, too, by its logical ID.
        if resource_type == _STACK_TYPE and logical_id == stack_name:
            changed(stack_id, status, reason, stacks.CLIENT_REQUEST_TOKEN.get() or "")

    for module in (stacks, handlers, changesets):
        module._add_event = add_event


def on_parameter_change(changed: ParameterChanged) -> None:
    """Have a function called with each parameter that is created, updated or deleted."""
    put, delete, delete_several = ssm._put_parameter, ssm._delete_parameter, ssm._delete_parameters

    def put_parameter(data: dict[str, Any]) -> Any:
        answer = put(data)
        if answer[0] == _OK:
            name = data["Name"]
            created = json.loads(answer[2])["Version"] == 1
            changed("Create" if created else "Update", ssm._parameters[name])
        return answer

    def delete_parameter(data: dict[str, Any]) -> Any:
        _key, known = ssm._lookup_parameter(data.get("Name"))
        answer = delete(data)
        if answer[0] == _OK and known is not None:
            changed("Delete", known)
        return answer

    def delete_parameters(data: dict[str, Any]) -> Any:
        known = {name: ssm._lookup_parameter(name)[1] for name in data.get("Names", [])}
        answer = delete_several(data)
        if answer[0] == _OK:
            for name in json.loads(answer[2])["DeletedParameters"]:
                changed("Delete", known[name])
        return answer

    ssm._put_parameter = put_parameter
    ssm._delete_parameter = delete_parameter
    ssm._delete_parameters = delete_parameters
