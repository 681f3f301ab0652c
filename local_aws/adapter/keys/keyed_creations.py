"""Hooks where a request or a template gives a key to what it makes."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ms
from ministack.core import iam_actions, responses
from ministack.services import cloudwatch_logs, ecr, kinesis
from ministack.services.cloudformation import provisioners, stacks

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.keys.keyed import Refused, Request, current_caller


def guard_log_groups(check: Callable[[str, str], Refused]) -> None:
    """Check the key that a log group is given, by the API or a template.

    Args:
        check: Function of (the group's ARN, its key).
    """
    create = cloudwatch_logs._create_log_group
    handler = provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"]
    make, update = handler["create"], handler["update"]

    def arn(name: str) -> str:
        place = f"{responses.get_region()}:{responses.get_account_id()}"
        return f"arn:aws:logs:{place}:log-group:{name}"

    def create_log_group(request: Request) -> Any:
        key = request.get("kmsKeyId")
        why = check(arn(str(request.get("logGroupName"))), str(key)) if key else None
        return create(request) if why is None else responses.error_response_json(*why, 400)

    def template_refuses(name: str, props: Request) -> None:
        if props.get("KmsKeyId"):
            _raise(check(arn(props.get("LogGroupName") or name), props["KmsKeyId"]))

    def make_group(logical_id: str, props: Request, stack_name: str) -> Any:
        template_refuses(f"/aws/cloudformation/{stack_name}/{logical_id}", props)
        return make(logical_id, props, stack_name)

    def update_group(physical_id: str, old: Request, new: Request, *rest: Any) -> Any:
        template_refuses(physical_id, new)
        return update(physical_id, old, new, *rest)

    cloudwatch_logs._create_log_group = create_log_group
    handler.update(create=make_group, update=update_group)


def guard_repositories(check: Callable[[Caller | None, str], Refused]) -> None:
    """Check the key that a repository is given.

    Args:
        check: Function of (caller, key).
    """
    create = ecr._create_repository

    def create_repository(request: Request) -> Any:
        wanted = request.get("encryptionConfiguration") or {}
        why = None
        if str(wanted.get("encryptionType", "")).startswith("KMS"):
            why = check(current_caller(), str(wanted.get("kmsKey") or "alias/aws/ecr"))
        return create(request) if why is None else responses.error_response_json(*why, 400)

    ecr._create_repository = create_repository
    handler = provisioners._RESOURCE_HANDLERS["AWS::ECR::Repository"]
    make = handler["create"]

    def make_repository(logical_id: str, props: Request, stack_name: str) -> Any:
        key = (props.get("EncryptionConfiguration") or {}).get("KmsKey")
        if key:
            _raise(check(None, key))
        return make(logical_id, props, stack_name)

    handler["create"] = make_repository


def guard_templates(check: Callable[[str, Mapping[str, Any]], Refused]) -> None:
    """Check the keys that a template gives to what it makes.

    Args:
        check: Function of (resource type, properties).
    """
    create, update = stacks._provision_resource, stacks._update_resource

    def provision_resource(kind: str, logical_id: str, properties: Request, stack_name: str) -> Any:
        _raise(check(kind, properties))
        return create(kind, logical_id, properties, stack_name)

    def update_resource(
        kind: str, physical_id: str, old: Any, new: Any, stack_name: str, *rest: Any
    ) -> Any:
        _raise(check(kind, new))
        return update(kind, physical_id, old, new, stack_name, *rest)

    stacks._provision_resource, stacks._update_resource = provision_resource, update_resource


def guard_stream_keys(check: Callable[[str], Refused]) -> None:
    """Check the key with which a stream's encryption starts."""
    start = kinesis._start_stream_encryption

    def start_stream_encryption(request: Request) -> Any:
        why = check(str(request.get("KeyId", "")))
        return start(request) if why is None else responses.error_response_json(*why, 400)

    kinesis._start_stream_encryption = start_stream_encryption


def services() -> set[str]:
    """The services that there are."""
    return set(ms.SERVICE_HANDLERS)


def guard_requests(services: Iterable[str], check: Callable[[str, Request], Refused]) -> None:
    """Check what requests to services name, before they are served.

    Args:
        services: Names as ministack routes them.
        check: Function of (service, request); of the XML services as far as it is flat.
    """
    for service in services:
        ms.SERVICE_HANDLERS[service] = _checked(service, ms.SERVICE_HANDLERS[service], check)


def _checked(
    service: str, inner: Callable[..., Any], check: Callable[[str, Request], Refused]
) -> Callable[..., Any]:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Any:
        why = check(service, _parsed(headers, body)) if body else None
        if why is None:
            return await inner(method, path, headers, body, query_params)
        return iam_actions.access_denied_response(
            service, "", "", "", error_code=why[0], message=why[1], headers=headers
        )

    return handle_request


def _parsed(headers: Mapping[str, str], body: bytes) -> Request:
    try:
        if "urlencoded" in headers.get("content-type", ""):
            return {key: values[0] for key, values in parse_qs(body.decode()).items()}
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raise(refused: Refused) -> None:
    if refused is not None:
        raise ValueError(f"{refused[1]} (Error Code: {refused[0]})")
