"""Requests held to botocore's models: required members, types, lengths, ranges, patterns, enums."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from local_aws import adapter, rules
from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.validation import check

# botocore's names of services that are signed for by another.
MODELS = {
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
# S3 has no constraints in its model, and a body that is none of a request's members.
_UNCHECKED = {"s3"}
# What a service calls a request that its model forbids; the others call it ValidationException.
_CODES = {
    "athena": "InvalidRequestException",
    "cloudformation": "ValidationError",
    "codebuild": "InvalidInputException",
    "ecr": "InvalidParameterException",
    "glue": "InvalidInputException",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "monitoring": "ValidationError",
    "s3": "NotImplemented",
    "servicequotas": "IllegalArgumentException",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "sts": "ValidationError",
    "tagging": "InvalidParameterException",
}


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service, by the name that requests are signed for."""
    found: ServiceModel = _session().get_service_model(MODELS.get(service, service))
    return found


@cache
def _session() -> Any:
    return botocore.session.Session()


def code(service: str) -> str:
    """What a service calls a request that its model forbids."""
    return _CODES.get(service, "ValidationException")


def input_shape(service: str, operation: str | None) -> StructureShape | None:
    """The parameters of an operation of AWS's; None if it has none, or is none."""
    if operation is None or service in adapter.own_services():
        return None
    shape: StructureShape | None = model(service).operation_model(operation).input_shape
    return shape


def refusal(request: Request) -> Refusal | None:
    """Why a request's parameters are none of its operation, or None."""
    if request.operation is None or request.service in _UNCHECKED:
        return rules.refusal(request, request.parameters)
    shape = input_shape(request.service, request.operation)
    if shape is None:
        return None
    given = parameters(request, shape)
    try:
        check(_renamed(request, given), shape)
    except ServiceError as error:
        name = code(request.service)
        if request.service == "sqs" and "enum value set" in error.message:
            name = "InvalidAttributeName"  # SQS enumerates nothing else
        return Refusal(name, error.message, 400)
    return rules.refusal(request, given)


def _renamed(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """ReceiveMessage's `AttributeNames` takes the names that its `MessageSystemAttributeNames`
    does (SQS API Reference), where the model has those of a queue.
    """
    old, new = "AttributeNames", "MessageSystemAttributeNames"
    if request.operation != "ReceiveMessage" or old not in given or new in given:
        return given
    return {new if name == old else name: value for name, value in given.items()}


def parameters(request: Request, shape: StructureShape) -> dict[str, Any]:
    """A request's parameters, structured and by their members' names."""
    protocol = model(request.service).resolved_protocol
    if protocol == "query":
        return _structure(request.parameters, shape, "")
    names = {
        member.serialization.get("name", name): name
        for name, member in shape.members.items()
        if protocol.startswith("rest")
    }
    return {
        name: _scalar(value, shape.members[name]) if name in shape.members else value
        for key, value in request.parameters.items()
        for name in [key if key in shape.members else names.get(key, key)]
        if value is not None
    }


def _structure(form: Mapping[str, Any], shape: StructureShape, prefix: str) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        value = _member(form, member, prefix + member.serialization.get("name", name))
        if value is not None:
            found[name] = value
    return found


def _member(form: Mapping[str, Any], shape: Shape, key: str) -> Any:
    """A member of a query request; `key` is how its own key, or those of its parts, begin."""
    if isinstance(shape, StructureShape):
        return _structure(form, shape, f"{key}.") or None
    if isinstance(shape, ListShape):
        path = key if shape.serialization.get("flattened") else f"{key}.member"
        return _numbered(lambda number: _member(form, shape.member, f"{path}.{number}"))
    if isinstance(shape, MapShape):
        path = key if shape.serialization.get("flattened") else f"{key}.entry"
        name = shape.key.serialization.get("name", "key")
        content = shape.value.serialization.get("name", "value")

        def entry(number: int) -> Any:
            place = f"{path}.{number}"
            if f"{place}.{name}" not in form:
                return None
            return form[f"{place}.{name}"], _member(form, shape.value, f"{place}.{content}") or ""

        entries = _numbered(entry)
        return None if entries is None else dict(entries)
    return _scalar(form[key], shape) if key in form else None


def _numbered(value: Any) -> list[Any] | None:
    found: list[Any] = []
    while (each := value(len(found) + 1)) is not None:
        found.append(each)
    return found or None


def _scalar(value: Any, shape: Shape) -> Any:
    """A text of a form, path or query as the type that it stands for; else itself."""
    if not isinstance(value, str):
        return value
    if shape.type_name == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if shape.type_name in ("integer", "long") and value.removeprefix("-").isdecimal():
        return int(value)
    if shape.type_name == "list":
        return [value]
    return value
