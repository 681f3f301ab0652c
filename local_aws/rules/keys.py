"""KMS: which requests take an alias for a key (KMS API Reference, `KeyId` of each operation)."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session

from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request


def refusal(request: Request, given: Mapping[str, Any]) -> Refusal | None:
    """Why KMS would not find the key that a request names, or None."""
    for member in ("KeyId", "TargetKeyId"):
        named = str(given.get(member, ""))
        alias = named.startswith("alias/") or ":alias/" in named
        if alias and not _takes_alias(str(request.operation), member):
            return Refusal("NotFoundException", f"Invalid keyId '{named}'", 400)
    return None


@cache
def _takes_alias(operation: str, member: str) -> bool:
    """As the reference says: "key ID, key ARN, alias name, or alias ARN", or the first two."""
    model = botocore.session.Session().get_service_model("kms").operation_model(operation)
    shape = model.input_shape.members.get(member)
    return shape is not None and "alias name" in shape.documentation
