"""Checks of creations, by requests and by templates, before ministack does them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack import app as ms
from ministack.core import responses
from ministack.services.cloudformation import provisioners, stacks

from local_aws.adapter.cloudformation import stack_roles
from local_aws.adapter.identity.actors import Actor
from local_aws.adapter.identity.identity import caller
from local_aws.adapter.requests import parse

ACCESS_DENIED = "AccessDeniedException"
_FORBIDDEN, _BAD_REQUEST = 403, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationRequest:
    """What a service is asked for.

    Attributes:
        action: The service and the operation, such as `lambda:CreateFunction`; of a template, the
            type.
        document: The request's parameters, or the resource's properties.
        name: Of a template, the resource's name, or the one that it is going to get.
        actor: Who asks; None for what the server itself goes on with after a restart.
    """

    action: str
    document: Mapping[str, Any]
    name: str
    actor: Actor | None


@dataclass(frozen=True, slots=True)
class CreationRefusal:
    """Why something is not done: AWS's code, and what a person reads."""

    code: str
    message: str


Check = Callable[[CreationRequest], CreationRefusal | None]


def check_requests(services: Iterable[str], check: Check) -> None:
    """Put a check before the operations of services, after IAM has allowed them.

    Args:
        services: As ministack names them (`events`, `lambda`).
        check: Why a request is refused, or None.
    """
    for service in services:
        _check_service(service, check)


def _check_service(service: str, check: Check) -> None:
    inner = ms.SERVICE_HANDLERS[service]

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        request = parse(service, method, path, headers, body, query_params)
        asked = CreationRequest(
            action=f"{service}:{request.operation}",
            document=request.parameters,
            name="",
            actor=caller(headers),
        )
        refused = check(asked)
        if refused is None:
            return await inner(method, path, headers, body, query_params)
        status = _FORBIDDEN if refused.code == ACCESS_DENIED else _BAD_REQUEST
        return responses.error_response_json(refused.code, refused.message, status)

    ms.SERVICE_HANDLERS[service] = handle_request


def check_templates(types: Iterable[str], check: Check) -> None:
    """Put a check before CloudFormation makes or changes resources of some types."""
    create, update, checked = stacks._provision_resource, stacks._update_resource, frozenset(types)

    def refuse(kind: str, properties: Mapping[str, Any], name: str) -> None:
        if kind not in checked:
            return
        refused = check(
            CreationRequest(
                action=kind, document=properties, name=name, actor=stack_roles._actor.get()
            )
        )
        if refused is not None:
            raise ValueError(
                f'Resource handler returned message: "{refused.message}" '
                "(HandlerErrorCode: InvalidRequest)"
            )

    def provision_resource(
        kind: str, logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> Any:
        refuse(kind, properties, str(provisioners._physical_name(stack_name, logical_id)))
        return create(kind, logical_id, properties, stack_name)

    def update_resource(
        kind: str, physical_id: str, old: Any, new: Any, stack_name: str, *rest: Any
    ) -> Any:
        if old != new:
            refuse(kind, new, physical_id)
        return update(kind, physical_id, old, new, stack_name, *rest)

    stacks._provision_resource = provision_resource
    stacks._update_resource = update_resource
