"""A service's operations, called with what a CloudFormation template holds."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.service import snake
from local_aws.sagemaker.validation import check
from local_aws.sagemaker.wire import Api as Model

_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
}


@dataclass(frozen=True, slots=True)
class Api:
    """A service's operations, called as CloudFormation does: with the template's loose types."""

    model: Model
    operate: Callable[[str, dict[str, Any]], dict[str, Any]]

    @classmethod
    def of_handler(cls, model: Model, handler: Any) -> "Api":
        """The operations of one handler object."""

        def operate(operation: str, request: dict[str, Any]) -> dict[str, Any]:
            check(request, model.operation(operation).input_shape)
            answer: dict[str, Any] = getattr(handler, snake(operation))(request)
            return answer

        return cls(model, operate)

    def call(self, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation with those properties that are members of its request.

        Raises:
            ValueError: With the service's message; this fails the resource.
        """
        model = self.model.operation(operation)
        shape = model.input_shape
        tokens = {member: uuid.uuid4().hex for member in model.idempotent_members}
        known = tokens | {k: v for k, v in properties.items() if k in shape.members}
        try:
            return self.operate(operation, _typed(known, shape))
        except ServiceError as error:
            message = f'Resource handler returned message: "{error.message}"'
            raise ValueError(f"{message} (HandlerErrorCode: {error.code})") from error


def _typed(value: Any, shape: Shape) -> Any:
    """A template's value in the type of the API: parameters arrive as strings."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            k: _typed(v, shape.members[k]) if k in shape.members else v
            for k, v in value.items()
            if v is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_typed(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {k: _typed(v, shape.value) for k, v in value.items()}
    return _scalar(value, shape.type_name)


def _scalar(value: Any, type_name: str) -> Any:
    if type_name == "string":
        is_number = isinstance(value, int | float)
        return json.dumps(value) if is_number else value
    if type_name == "boolean" and isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    convert = _NUMBERS.get(type_name)
    if convert is None:
        return value
    try:
        return convert(value)
    except ValueError:
        return value  # the check of the request says what is wrong with it
