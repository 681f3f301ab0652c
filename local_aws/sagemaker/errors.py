"""The errors that the local SageMaker answers with, in AWS's own codes and spelling.

ServiceError             what a handler raises; the service turns it into the wire form
validation(message)      the request cannot be served as it is
resource_not_found(...)  the resource named by the request does not exist
...
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class ServiceError(Exception):
    """An answer other than success.

    Args:
        code: AWS's error code, such as `ValidationException`.
        message: What a person reads; says what was wrong and what to do.
        status: The HTTP status.
    """

    # What the model of an error has beside its message, such as OriginalStatusCode.
    members: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def validation(message: str) -> ServiceError:
    """The request cannot be served as it is."""
    return ServiceError("ValidationException", message)


def unsupported(what: str, instead: str) -> ServiceError:
    """Something that SageMaker has and the local one has not; `instead` says what there is."""
    return validation(f"The local SageMaker does not support {what}; {instead}")


def not_found(what: str, name: str, code: str = "ResourceNotFound") -> ServiceError:
    """The resource that the request names does not exist (some operations say so by validation)."""
    return ServiceError(code, f"Requested resource not found: {what} '{name}' does not exist.")


def in_use(message: str) -> ServiceError:
    """The resource exists already, or is busy."""
    return ServiceError("ResourceInUse", message)


def conflict(message: str) -> ServiceError:
    """The request contradicts the resource's present state."""
    return ServiceError("ConflictException", message)


def access_denied(message: str) -> ServiceError:
    """The caller may not do this."""
    return ServiceError("AccessDeniedException", message)
