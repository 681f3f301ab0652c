"""Hooks where a request or a template gives a key to what it makes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch_logs, ecr
from ministack.services.cloudformation import provisioners

from local_aws.adapter.actors import Caller
from local_aws.adapter.keyed import Refused, Request, current_caller


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


def check_properties(
    resource_type: str,
    keys_of: Callable[[Mapping[str, Any]], Iterable[str]],
    check: Callable[[str], Refused],
) -> None:
    """Check the keys that a template gives to resources of a type.

    Args:
        resource_type: Such as `AWS::Kinesis::Stream`.
        keys_of: The keys among a resource's properties.
        check: Asked with each key.
    """
    handler = provisioners._RESOURCE_HANDLERS[resource_type]
    create, update = handler["create"], handler["update"]

    def refuse(props: Mapping[str, Any]) -> None:
        for key in keys_of(props):
            _raise(check(key))

    def created(logical_id: str, props: Request, stack_name: str) -> Any:
        refuse(props)
        return create(logical_id, props, stack_name)

    def updated(physical_id: str, old: Request, new: Request, *rest: Any) -> Any:
        refuse(new)
        return update(physical_id, old, new, *rest)

    handler.update(create=created, update=updated)


def guard_function(
    module: Any,
    name: str,
    keys_of: Callable[[Request], Iterable[str]],
    check: Callable[[str], Refused],
) -> None:
    """Check the keys that an operation's request names before ministack gets it."""
    inner = getattr(module, name)

    def guarded(request: Request, *rest: Any, **more: Any) -> Any:
        for key in keys_of(request):
            if (why := check(key)) is not None:
                return responses.error_response_json(*why, 400)
        return inner(request, *rest, **more)

    setattr(module, name, guarded)


def _raise(refused: Refused) -> None:
    if refused is not None:
        raise ValueError(f"{refused[1]} (Error Code: {refused[0]})")
