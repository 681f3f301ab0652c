"""As whom ministack's CloudFormation acts: ministack itself asks nobody."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ms
from ministack.core import responses
from ministack.services.cloudformation import changesets, handlers, helpers, provisioners, stacks

from local_aws.adapter.identity.actors import Actor, Role, Service
from local_aws.adapter.identity.identity import caller, pass_role_denied

_SERVICE = "cloudformation.amazonaws.com"
_SESSION = "AWSCloudFormation"
# As aws-cdk #20959 quotes it.
_NOT_READ = "AccessDenied. User doesn't have permission to call ssm:GetParameters"
_OK = 200


@dataclass(frozen=True)
class Change:
    """What is about to happen to a resource.

    Attributes:
        operation: `create`, `update` or `delete`.
        resource_type: Such as `AWS::SageMaker::Model`.
        logical_id: Its name in the template; empty if ministack does not say.
        physical_id: What Ref gives; empty before there is one.
        properties: Those that it is to have; of a deletion those that it has.
        stack_name: Its stack's.
        account: Its account.
        region: Its region.
    """

    operation: str
    resource_type: str
    logical_id: str
    physical_id: str
    properties: Mapping[str, Any]
    stack_name: str
    account: str
    region: str


Refusal = Callable[[Change, Actor], str | None]
# None outside of requests: what the server does by itself after a restart.
_actor: ContextVar[Actor | None] = ContextVar("stack_actor", default=None)


def current_stack_actor() -> Actor | None:
    """As whom the stack operation that runs acts; None outside of such."""
    return _actor.get()


def authorize_stacks(refusal: Refusal) -> None:
    """Have CloudFormation act as the role that it is given, and as the caller without one.

    Args:
        refusal: Why an actor may not make a change, or None.
    """
    _note_actors()
    _describe_roles()
    _check_changes(refusal)
    for module in (handlers, changesets):
        _check_parameters(module)


def _note_actors() -> None:
    inner = ms.SERVICE_HANDLERS["cloudformation"]

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        form = parse_qs(body.decode(errors="replace")) | query_params
        request = {key: values[0] for key, values in form.items()}
        given, action = request.get("RoleARN"), request.get("Action", "")
        if given is not None and (refused := _role_refused(headers, given)):
            return refused
        role_arn = given or _kept_role(request)
        actor = caller(headers) if role_arn is None else Role(arn=role_arn, session=_SESSION)
        token = _actor.set(actor)
        try:
            answer = await inner(method, path, headers, body, query_params)
        finally:
            _actor.reset(token)
        if answer[0] == _OK and role_arn is not None:
            _keep_role(action, request, role_arn)
        return answer

    ms.SERVICE_HANDLERS["cloudformation"] = handle_request


def _role_refused(headers: dict[str, str], role_arn: str) -> Any:
    denied = pass_role_denied(headers, role_arn, _SERVICE)
    if denied is not None:
        return helpers._error("AccessDenied", denied, 403)
    if Service(name=_SERVICE).not_trusted(role_arn) is not None:
        message = f"Role {role_arn} is invalid or cannot be assumed"
        return helpers._error("ValidationError", message)
    return None


def _change_set(request: Mapping[str, str]) -> dict[str, Any]:
    name, stack_name = request.get("ChangeSetName", ""), request.get("StackName", "")
    return changesets._find_change_set(name, stack_name)[1] or {}


def _stack(request: Mapping[str, str]) -> dict[str, Any]:
    # A change set that is named by its ARN needs no name of its stack.
    name = request.get("StackName") or _change_set(request).get("StackName")
    return handlers._resolve_stack(name) or {} if name else {}


def _kept_role(request: Mapping[str, str]) -> str | None:
    """The role that a change set, or the stack's last operation, was given."""
    return _change_set(request).get("_role_arn") or _stack(request).get("_role_arn")


def _keep_role(action: str, request: Mapping[str, str], role_arn: str) -> None:
    """CloudFormation "uses this role for all future operations on the stack" (API reference)."""
    if action == "CreateChangeSet":
        _change_set(request)["_role_arn"] = role_arn
    elif action in {"CreateStack", "ExecuteChangeSet", "UpdateStack"}:
        _stack(request)["_role_arn"] = role_arn


def _describe_roles() -> None:
    """Have DescribeStacks say which role a stack has."""
    inner = handlers._stack_drift_information_xml

    def with_role(stack: dict[str, Any]) -> str:
        role = stack.get("_role_arn")
        return str(inner(stack)) + (f"<RoleARN>{role}</RoleARN>" if role else "")

    handlers._stack_drift_information_xml = with_role


def _check_changes(refusal: Refusal) -> None:
    create, update = stacks._provision_resource, stacks._update_resource
    delete = stacks._delete_resource

    def check(operation: str, kind: str, logical_id: str, physical_id: str, *rest: Any) -> None:
        actor, (properties, stack_name) = _actor.get(), rest
        change = Change(
            operation,
            kind,
            logical_id or "",
            physical_id,
            properties,
            stack_name or "",
            str(responses.get_account_id()),
            str(responses.get_region()),
        )
        if actor is not None and (reason := refusal(change, actor)):
            raise ValueError(reason)

    def provision_resource(
        kind: str, logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> Any:
        check("create", kind, logical_id, "", properties, stack_name)
        return create(kind, logical_id, properties, stack_name)

    def update_resource(
        kind: str, physical_id: str, old: Any, new: Any, stack_name: str, *rest: Any
    ) -> Any:
        logical_id = rest[0] if rest else ""
        if old != new and provisioners._replacing_change(kind, old, new):
            check("create", kind, logical_id, "", new, stack_name)
        elif old != new:
            check("update", kind, logical_id, physical_id, new, stack_name)
        return update(kind, physical_id, old, new, stack_name, *rest)

    def delete_resource(
        kind: str, physical_id: str, properties: Any, stack_name: Any = None, logical: Any = None
    ) -> None:
        check("delete", kind, logical, physical_id, properties, stack_name)
        delete(kind, physical_id, properties, stack_name, logical)

    stacks._provision_resource = provision_resource
    stacks._update_resource = update_resource
    stacks._delete_resource = delete_resource


def _check_parameters(module: Any) -> None:
    """Have the values of SSM-typed parameters read by the actor."""
    inner = module._resolve_parameters

    def resolve_parameters(template: dict[str, Any], provided: Any, *rest: Any) -> Any:
        resolved, actor = inner(template, provided, *rest), _actor.get()
        place = f"ssm:{responses.get_region()}:{responses.get_account_id()}"
        for value in resolved.values():
            name = value.get("SsmName")
            arn = f"arn:aws:{place}:parameter/{str(name).lstrip('/')}"
            if actor and name and actor.denied("ssm:GetParameters", arn, {}):
                raise ValueError(_NOT_READ)
        return resolved

    module._resolve_parameters = resolve_parameters
