"""The authorization context of requests to KMS itself."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from local_aws import adapter
from local_aws.adapter.keys import keys as kept
from local_aws.adapter.keys import requests as key_requests
from local_aws.behaviours.playing import plays
from local_aws.keys.use import use_keys

# Where a request says which condition key (Service Authorization Reference, AWS KMS).
_OF_REQUEST = {
    "kms:BypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
    "kms:DataKeyPairSpec": "KeyPairSpec",
    "kms:ExpirationModel": "ExpirationModel",
    "kms:GranteePrincipal": "GranteePrincipal",
    "kms:GrantOperations": "Operations",
    "kms:KeyOrigin": "Origin",
    "kms:KeySpec": "KeySpec",
    "kms:KeyUsage": "KeyUsage",
    "kms:MacAlgorithm": "MacAlgorithm",
    "kms:MessageType": "MessageType",
    "kms:MultiRegion": "MultiRegion",
    "kms:ReplicaRegion": "ReplicaRegion",
    "kms:RetiringPrincipal": "RetiringPrincipal",
    "kms:RotationPeriodInDays": "RotationPeriodInDays",
    "kms:ScheduleKeyDeletionPendingWindowInDays": "PendingWindowInDays",
    "kms:SigningAlgorithm": "SigningAlgorithm",
    "kms:ValidTo": "ValidTo",
    "kms:WrappingAlgorithm": "WrappingAlgorithm",
    "kms:WrappingKeySpec": "WrappingKeySpec",
}
_OF_NEW_KEYS = ("kms:KeyOrigin", "kms:KeySpec", "kms:KeyUsage", "kms:MultiRegion")
_GRANTS = ("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant")
_KEY_ID_BYTES = 36


def install() -> None:
    """Register the resources and condition keys."""
    adapter.register_resource_arn("kms", _resource)
    adapter.register_condition_keys("kms", _condition_keys)


def key_of(request: Mapping[str, Any]) -> str:
    """The key that a request names, or whose ciphertext it brings; empty if neither."""
    named = request.get("KeyId") or ""
    if not named and request.get("CiphertextBlob"):
        try:
            blob = base64.b64decode(str(request["CiphertextBlob"]))
        except ValueError:
            return ""
        # The emulator's ciphertexts begin with the key's id, as AWS's hold it in their metadata.
        found = kept.find_key(blob[:_KEY_ID_BYTES].decode("ascii", "ignore"))
        return "" if found is None else found.arn
    return str(named)


def _grant_of(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The grant that a request would retire, by its token or id."""
    if request.get("GrantToken"):
        return key_requests.grant_by_token(str(request["GrantToken"]))
    grants = kept.grants_of(kept.key_arn(str(request.get("KeyId", ""))))
    return next((g for g in grants if g["GrantId"] == request.get("GrantId")), None)


def parse(body: bytes) -> dict[str, Any]:
    """A request's body; what is none is for KMS to refuse."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _resource(
    _method: str, _path: str, headers: Mapping[str, str], body: bytes, region: str, account: str
) -> str | None:
    """A key, also where an alias names it: only the operations on aliases are about aliases.

    Service Authorization Reference, AWS KMS: of CreateAlias, UpdateAlias and DeleteAlias the alias
    and the key are required, of everything else the key.
    """
    request, operation = parse(body), headers.get("x-amz-target", "").partition(".")[2]
    if operation.endswith("Alias"):
        return f"arn:aws:kms:{region}:{account}:{request.get('AliasName', '')}"
    if operation == "ListAliases":
        return "*"
    if operation == "RetireGrant" and (grant := _grant_of(request)) is not None:
        return str(grant["KeyId"])
    named = key_of(request)
    return kept.key_arn(named) if named else None


def _condition_keys(action: str, body: bytes, _params: Mapping[str, Any]) -> dict[str, Any]:
    request = parse(body)
    keys: dict[str, Any] = {"kms:CallerAccount": adapter.current_account()}
    is_new = action in ("kms:CreateKey", "kms:ReplicateKey")
    for name, field in _OF_REQUEST.items():
        if field in request and (is_new or name not in _OF_NEW_KEYS):
            value = request[field]
            keys[name] = value if isinstance(value, list) else _text(value)
    reference = key_of(request)
    found = kept.find_key(reference) if reference else None
    if found is not None:
        context = request.get("EncryptionContext") or {}
        keys |= use_keys(found, reference, action, context=context)
        if "EncryptionAlgorithm" in request:
            keys["kms:EncryptionAlgorithm"] = request["EncryptionAlgorithm"]
    if action in _GRANTS:
        # The Developer Guide says when it is true, and no more: Guess.DIRECT_GRANTS.
        keys |= {"kms:GrantIsForAWSResource": "false"} if plays("direct-grants", "false") else {}
    if action == "kms:RetireGrant" and (grant := _grant_of(request)) is not None:
        keys["fraudloop:Grant"] = grant["GrantId"]
    if request.get("Constraints"):
        constraints = request["Constraints"]
        keys["kms:GrantConstraintType"] = next(iter(constraints), None)
        keys["fraudloop:GrantConstraints"] = constraints
    return keys


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
