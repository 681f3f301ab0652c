"""Requests read from HTTP and answers written to it, as botocore's service models describe."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import botocore.loaders
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from local_aws.sagemaker.errors import ServiceError, validation

Answer = tuple[int, dict[str, str], bytes]
Query = Mapping[str, list[str]]

_LOADER = botocore.loaders.create_loader()


class Api:
    """One service as botocore models it: its operations, found by target or by path."""

    def __init__(self, service_name: str) -> None:
        document = _LOADER.load_service_model(service_name, "service-2")
        self.model = ServiceModel(document, service_name)
        self.is_rest = self.model.metadata["protocol"].startswith("rest")
        self.operation_names = frozenset(self.model.operation_names)

    def operation(self, name: str) -> OperationModel:
        """The model of an operation."""
        return self.model.operation_model(name)

    @cached_property
    def _routes(self) -> list[tuple[str, re.Pattern[str], str]]:
        routes = []
        for name in self.model.operation_names:
            http = self.operation(name).http
            path = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", http["requestUri"].split("?")[0])
            path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            routes.append((http["method"], re.compile(path), name))
        return routes

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The operation of a REST request and the values of its path, undecoded."""
        for verb, pattern, name in self._routes:
            if verb == method and (found := pattern.fullmatch(path)):
                return name, found.groupdict()
        return None


def read_json(body: bytes) -> dict[str, Any]:
    """The body of a JSON request."""
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError(
            "SerializationException", f"body must be JSON, got: {error}; send an object"
        ) from error
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "body must be a JSON object")
    return document


def read_rest(
    operation: OperationModel,
    path: Mapping[str, str],
    headers: Mapping[str, str],
    query: Query,
    body: bytes,
) -> dict[str, Any]:
    """The members of a REST request: from its path, query, headers and body."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload")
    request: dict[str, Any] = {}
    if payload is None and any(_is_in_body(member) for member in shape.members.values()):
        request = _decode(read_json(body), shape)
    elif payload is not None:
        member = shape.members[payload]
        request[payload] = body if member.type_name == "blob" else _decode(read_json(body), member)
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            request[name] = unquote(path[wire_name])
        elif location == "header" and wire_name.lower() in headers:
            request[name] = _scalar(headers[wire_name.lower()], member)
        elif location == "querystring" and wire_name in query:
            values = query[wire_name]
            is_list = isinstance(member, ListShape)
            request[name] = values if is_list else _scalar(values[0], member)
    return request


def decode_json(document: dict[str, Any], shape: StructureShape | None) -> dict[str, Any]:
    """A JSON request with its blobs decoded."""
    return document if shape is None else _decode(document, shape)


def write_json(operation: OperationModel, response: Mapping[str, Any]) -> Answer:
    """The answer of a JSON operation: members that the model does not know are left out."""
    shape = operation.output_shape
    document = {} if shape is None else encode(response, shape)
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()


def write_rest(operation: OperationModel, response: Mapping[str, Any]) -> Answer:
    """The answer of a REST operation: headers, and a payload or a JSON body."""
    status = int(operation.http.get("responseCode", 200))
    headers = {"Content-Type": "application/json"}
    shape = operation.output_shape
    if shape is None:
        return status, headers, b""
    body_members: dict[str, Any] = {}
    for name, member in shape.members.items():
        if response.get(name) is None:
            continue
        if member.serialization.get("location") == "header":
            headers[member.serialization.get("name", name)] = str(response[name])
        else:
            body_members[name] = response[name]
    payload = shape.serialization.get("payload")
    if payload is not None and shape.members[payload].type_name == "blob":
        body = body_members.get(payload, b"")
        return status, headers, body.encode() if isinstance(body, str) else bytes(body)
    return status, headers, json.dumps(encode(body_members, shape)).encode()


def write_error(error: ServiceError, rest: bool) -> Answer:
    """The answer that carries an error."""
    kind = "application/json" if rest else "application/x-amz-json-1.1"
    headers = {"Content-Type": kind, "x-amzn-errortype": error.code}
    # The runtime's model spells it "Message", the control plane "message"; clients read either.
    document = {"__type": error.code, "message": error.message, "Message": error.message}
    document |= error.members
    return error.status, headers, json.dumps(document).encode()


def encode(value: Any, shape: Shape) -> Any:
    """A value as JSON carries it: only known members, times as epoch seconds, blobs as base64."""
    if isinstance(shape, StructureShape):
        return {
            member.serialization.get("name", name): encode(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [encode(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {key: encode(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return value.timestamp() if isinstance(value, datetime) else value
    if shape.type_name == "blob":
        return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
    return value


def _decode(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        by_wire_name = {
            member.serialization.get("name", name): name for name, member in shape.members.items()
        }
        return {
            name: _decode(item, shape.members[name]) if name in shape.members else item
            for name, item in ((by_wire_name.get(key, key), item) for key, item in value.items())
            if item is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_decode(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _decode(item, shape.value) for key, item in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError as error:
            raise validation(f"{shape.name} must be base64; {error}") from error
    return value


def _is_in_body(member: Shape) -> bool:
    return "location" not in member.serialization


def _scalar(text: str, shape: Shape) -> Any:
    if shape.type_name in {"integer", "long"}:
        return int(text)
    if shape.type_name == "boolean":
        return text.lower() == "true"
    return text
