"""The use of a KMS key: by a request of KMS's own, or by a service for its caller.

AWS services use a key with the permissions of whoever they act for, and tell KMS through which
service and for what it is: `kms:ViaService` and the encryption context.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws import adapter
from local_aws.adapter.identity.actors import Actor
from local_aws.adapter.keys.keys import Key, find_key, key_arn

_STATES = {
    "Disabled": ("DisabledException", "{arn} is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "{arn} is pending deletion."),
    "PendingImport": ("KMSInvalidStateException", "{arn} is pending import."),
    "PendingReplicaDeletion": ("KMSInvalidStateException", "{arn} is pending replica deletion."),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a key may not be used.

    Attributes:
        code: KMS's exception: `AccessDeniedException`, `NotFoundException`, `DisabledException`,
            `KMSInvalidStateException` or `InvalidKeyUsageException`.
        message: KMS's words.
    """

    code: str
    message: str

    def __str__(self) -> str:
        """The words alone."""
        return self.message


def use_denied(
    actor: Actor,
    action: str,
    key: str,
    *,
    via: str | None = None,
    context: Mapping[str, str] | None = None,
    keys: Mapping[str, Any] | None = None,
) -> Refusal | None:
    """Why somebody may not use a key, or None.

    Args:
        actor: The caller, role or service that the key is used for.
        action: Such as `kms:Decrypt`.
        key: An id, ARN, alias or alias's ARN.
        via: The service that uses it for them, such as `s3`; None for KMS's own API.
        context: The encryption context.
        keys: Further condition keys of the action.
    """
    found = find_key(key)
    if found is None:
        return absent(key)
    named = {**use_keys(found, key, action, via=via, context=context), **(keys or {})}
    reason = actor.denied(action, found.arn, named)
    if reason is not None:
        return Refusal("AccessDeniedException", reason)
    return unusable(key) if action not in _ANY_STATE else None


# What may be done whatever state a key is in (Developer Guide, "Key states of AWS KMS keys").
_ANY_STATE = frozenset({"kms:DescribeKey", "kms:ListGrants", "kms:RetireGrant", "kms:RevokeGrant"})


def unusable(key: str, *, symmetric: bool = True) -> Refusal | None:
    """Why nobody can encrypt with a key: it is absent, in another state or of another kind."""
    found = find_key(key)
    if found is None:
        return absent(key)
    if (state := _STATES.get(found.state)) is not None:
        return Refusal(state[0], state[1].format(arn=found.arn))
    if symmetric and found.spec != "SYMMETRIC_DEFAULT":
        return Refusal(
            "InvalidKeyUsageException",
            f"{found.arn} must be a symmetric encryption key, got {found.spec}",
        )
    return None


def absent(key: str) -> Refusal:
    """KMS's words for a key that is not there."""
    arn = key_arn(key)
    if ":alias/" in arn:
        return Refusal("NotFoundException", f"Alias {arn} is not found.")
    return Refusal("NotFoundException", f"Key '{arn}' does not exist")


def through_service(action: str, key: str, via: str) -> dict[str, Any]:
    """The condition keys of what a service does with a key when it makes something for somebody."""
    found = find_key(key)
    named = {} if found is None else use_keys(found, key, action, via=via)
    if action in ("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"):
        named["kms:GrantIsForAWSResource"] = "true"
    return named


def use_keys(
    found: Key,
    reference: str,
    action: str,
    *,
    via: str | None = None,
    context: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The condition keys of a use (Developer Guide, "Condition keys for AWS KMS")."""
    alias = reference.split(":", 5)[-1] if reference.startswith("arn:") else reference
    named: dict[str, Any] = {
        "kms:CallerAccount": adapter.current_account(),
        "kms:KeyOrigin": found.origin,
        "kms:KeySpec": found.spec,
        "kms:KeyUsage": found.usage,
        "kms:MultiRegion": str(found.multi_region).lower(),
        "kms:ResourceAliases": found.aliases or None,
        "kms:RequestAlias": alias if alias.startswith("alias/") else None,
    }
    if via is not None:
        named["kms:ViaService"] = f"{via}.{adapter.current_region()}.amazonaws.com"
    if action.partition(":")[2] in ("Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo"):
        named["kms:EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
    if context:
        named["kms:EncryptionContextKeys"] = list(context)
        named |= {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    return {name: value for name, value in named.items() if value is not None}
