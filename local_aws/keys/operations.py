"""KMS's operations as strict as KMS: states, policies, aliases, grants, ciphertexts."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.keys import keys as kept
from local_aws.adapter.keys import requests as key_requests
from local_aws.adapter.keys.requests import Refused, Request
from local_aws.guesses import Guess, guessed
from local_aws.keys.policies import policy_refused
from local_aws.keys.use import absent, use_keys

_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")
_PENDING = ("PendingDeletion", "PendingReplicaDeletion")
# What a state forbids beyond what the emulator refuses (Developer Guide, "Key states of AWS KMS
# keys", its table).
_NOT_PENDING = frozenset(
    {"CreateAlias", "DisableKey", "DisableKeyRotation", "EnableKey", "EnableKeyRotation"}
    | {"GetKeyRotationStatus", "ScheduleKeyDeletion", "TagResource", "UntagResource"}
    | {"UpdateAlias", "UpdateKeyDescription"}
)
_NOT_DISABLED = frozenset({"DisableKeyRotation", "EnableKeyRotation"})
_MAX_PLAINTEXT, _MAX_DATA_KEY = 4096, 1024
_BLOBS = ("CiphertextBlob", "PrivateKeyCiphertextBlob")


def install() -> None:
    """Refuse what KMS refuses, in its API and in templates."""
    key_requests.check_requests(_refused, _finish)
    key_requests.check_templates(
        lambda policy, waived: policy_refused(policy, waived=waived), _target_refused
    )


def _refused(operation: str, request: Request, caller: Caller) -> Refused:
    if operation.endswith("Alias"):
        return _alias_refused(operation, request, caller)
    reference = str(request.get("KeyId") or "")
    found = kept.find_key(reference) if reference else None
    if reference and found is None:
        return _pair(absent(reference))
    return (
        _policy_refused(request)
        or _tags_refused(operation, request, caller)
        or (_state_refused(operation, found) if found is not None else None)
        or _request_refused(operation, request, found)
    )


def _tags_refused(operation: str, request: Request, caller: Caller) -> Refused:
    """ "To use the Tags parameter, kms:TagResource (IAM policy)" (CreateKey)."""
    if operation != "CreateKey" or not request.get("Tags"):
        return None
    denied = caller.denied("kms:TagResource", kept.key_arn("*"))
    return None if denied is None else ("AccessDeniedException", denied)


def _request_refused(operation: str, request: Request, found: kept.Key | None) -> Refused:
    match operation:
        case "CreateGrant":
            return _grant_refused(request)
        case "Encrypt" | "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext":
            return _size_refused(operation, request)
        case "Decrypt":
            return _ciphertext_refused(request, found)
        case "GetKeyPolicy" if request.get("PolicyName", "default") != "default":
            return "NotFoundException", "No such policy exists"
        case "TagResource" if any(tag["TagKey"].startswith("aws:") for tag in request["Tags"]):
            return "TagException", guessed("Tags beginning with aws: are reserved", Guess.WORDS)
    return None


def _policy_refused(request: Mapping[str, Any]) -> Refused:
    if not request.get("Policy"):
        return None
    waived = bool(request.get("BypassPolicyLockoutSafetyCheck"))
    return policy_refused(request["Policy"], waived=waived)


def _state_refused(operation: str, found: kept.Key) -> Refused:
    pending = found.state in _PENDING
    if pending and operation in _NOT_PENDING:
        return "KMSInvalidStateException", f"{found.arn} is pending deletion."
    if operation == "CancelKeyDeletion" and not pending:
        return "KMSInvalidStateException", f"{found.arn} is not pending deletion."
    if operation in _NOT_DISABLED and found.state == "Disabled":
        return "DisabledException", f"{found.arn} is disabled."
    if operation == "EnableKeyRotation" and found.spec != "SYMMETRIC_DEFAULT":
        words = f"{found.arn} is no symmetric encryption key"
        return "UnsupportedOperationException", guessed(words, Guess.WORDS)
    return None


def _alias_refused(operation: str, request: Mapping[str, Any], caller: Caller) -> Refused:
    """An alias's name; and permissions of its keys, which IAM has not been asked about yet.

    "On the alias (IAM policy)" and "on the KMS key (key policy)" (API reference, CreateAlias,
    UpdateAlias, DeleteAlias).
    """
    name = str(request.get("AliasName", ""))
    if not _ALIAS.fullmatch(name) or name.startswith("alias/aws/"):
        words = "AliasName must be alias/ and letters, digits, / _ -, but not alias/aws/, got"
        return "InvalidAliasNameException", guessed(f"{words} {name}", Guess.WORDS)
    targets = [name] if operation != "CreateAlias" and kept.find_key(name) is not None else []
    if operation != "DeleteAlias":
        targets.append(str(request.get("TargetKeyId", "")))
    for target in targets:
        named = "alias/" in target and target != name
        if named or (why := _key_of_alias_refused(operation, target, caller)) is not None:
            words = guessed("TargetKeyId must be no alias", Guess.WORDS)
            return ("ValidationException", words) if named else why
    found = [key for target in targets if (key := kept.find_key(target)) is not None]
    if len({(key.usage, key.spec == "SYMMETRIC_DEFAULT") for key in found}) > 1:
        words = "an alias's old and new key must have one type and usage"
        return "ValidationException", guessed(words, Guess.WORDS)
    return None


def _key_of_alias_refused(operation: str, target: str, caller: Caller) -> Refused:
    found, action = kept.find_key(target), f"kms:{operation}"
    if found is None:
        return _pair(absent(target))
    why = caller.denied(action, found.arn, use_keys(found, target, action))
    if why is not None:
        return "AccessDeniedException", why
    return _state_refused(operation, found)


def _target_refused(reference: str) -> Refused:
    return None if kept.find_key(reference) is not None else _pair(absent(reference))


def _grant_refused(request: Mapping[str, Any]) -> Refused:
    """Principals that are none: "ARN does not refer to a valid principal" (hashicorp/terraform-
    provider-aws, aws_kms_grant, waits for such)."""
    for field in ("GranteePrincipal", "RetiringPrincipal"):
        arn = request.get(field)
        if arn is not None and not key_requests.principal_exists(str(arn)):
            return "InvalidArnException", f"ARN does not refer to a valid principal: {arn}"
    if "GranteeServicePrincipal" in request or "RetiringServicePrincipal" in request:
        return "UnsupportedOperationException", "grants for services are not supported here"
    return None


def _size_refused(operation: str, request: Mapping[str, Any]) -> Refused:
    if operation == "Encrypt":
        size = len(base64.b64decode(str(request.get("Plaintext", ""))))
        if not 1 <= size <= _MAX_PLAINTEXT:
            # Recorded (localstack/localstack, tests/aws/services/kms, test_kms.snapshot.json).
            bound = (
                f"less than or equal to {_MAX_PLAINTEXT}" if size else "greater than or equal to 1"
            )
            return (
                "ValidationException",
                "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
                f"Member must have length {bound}",
            )
        return None
    if ("KeySpec" in request) == ("NumberOfBytes" in request):
        return "ValidationException", "Please specify either number of bytes or key spec."
    if not 1 <= int(request.get("NumberOfBytes", 1)) <= _MAX_DATA_KEY:
        words = f"NumberOfBytes must be between 1 and {_MAX_DATA_KEY}"
        return "ValidationException", guessed(words, Guess.WORDS)
    return None


def _ciphertext_refused(request: Request, named: kept.Key | None) -> Refused:
    """A ciphertext that was changed, or that another key than the named one made."""
    try:
        blob = base64.b64decode(str(request.get("CiphertextBlob", "")), validate=True)
    except ValueError:
        return "InvalidCiphertextException", ""
    maker = kept.find_key(blob[:36].decode("ascii", "ignore"))
    if maker is None or not key_requests.is_symmetric(maker.arn):
        if named is not None and key_requests.is_symmetric(named.arn):
            return "InvalidCiphertextException", ""
        return None
    if named is not None and named.arn != maker.arn:
        return (
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    sealed, tag = key_requests.split_mac(blob)
    if key_requests.mac(maker.arn, sealed) != tag:
        return "InvalidCiphertextException", ""
    request["CiphertextBlob"] = base64.b64encode(sealed).decode()
    return None


def _finish(_operation: str, _request: Request, result: dict[str, Any]) -> None:
    """Seal ciphertexts, and say which keys are AWS's."""
    metadata = result.get("KeyMetadata")
    if isinstance(metadata, dict) and key_requests.managed_by_aws(metadata["Arn"]):
        metadata["KeyManager"] = "AWS"
    arn = str(result.get("KeyId", ""))
    for field in _BLOBS:
        if field in result and key_requests.is_symmetric(arn):
            blob = base64.b64decode(result[field])
            result[field] = base64.b64encode(blob + key_requests.mac(arn, blob)).decode()


def _pair(refusal: Any) -> tuple[str, str]:
    return refusal.code, refusal.message
