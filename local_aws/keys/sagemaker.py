"""Keys that SageMaker is given: for volumes, outputs and feature groups.

What a key takes says the API reference at each `KmsKeyId` (botocore's model has it), and of volumes
the Developer Guide, "Amazon SageMaker API Permissions: Actions, Permissions, and Resources
Reference".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.adapter.cloudformation.stack_roles import current_stack_actor
from local_aws.adapter.identity.actors import Actor, Role
from local_aws.adapter.keys import keyed
from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess, guessed
from local_aws.keys.names import named
from local_aws.keys.use import Refusal, unusable, use_denied

_VIA = "sagemaker"
# "The caller of CreateFeatureGroup must have below permissions to the OnlineStore KmsKeyId"
# (OnlineStoreSecurityConfig). kms:ListAliases, which the list has too, knows no key.
_ONLINE = (
    *("Encrypt", "Decrypt", "DescribeKey", "CreateGrant", "RetireGrant", "ReEncryptFrom"),
    *("ReEncryptTo", "GenerateDataKey", "ListGrants", "RevokeGrant"),
)
_OUTPUTS = (
    *("OutputDataConfig", "TransformOutput", "ProcessingOutputConfig"),
    "MonitoringOutputConfig",
)


def refusal(request: Mapping[str, Any]) -> Refusal | None:
    """Why SageMaker does not take the keys of a request, or None."""
    return next(_refusals(request), None)


def _refusals(request: Mapping[str, Any]) -> Iterator[Refusal]:
    for key in named(request):
        if (why := unusable(key)) is not None and plays("key-at-once", "at-once"):
            yield Refusal(why.code, guessed(why.message, Guess.KEY_AT_ONCE))
    role = next(iter(_members(request, "RoleArn")), None)
    if role is not None:
        yield from _volume(request, role)
        yield from _outputs(request, Role(arn=role, session="SageMaker"))
    online = (request.get("OnlineStoreConfig") or {}).get("SecurityConfig") or {}
    if online.get("KmsKeyId") and (caller := _caller()) is not None:
        yield from _each(caller, online["KmsKeyId"], _ONLINE)


def _volume(request: Mapping[str, Any], role: str) -> Iterator[Refusal]:
    for key in set(_members(request, "VolumeKmsKeyId")):
        if (why := volume_denied(key, role)) is not None:
            yield why


def volume_denied(key: str | None, role: str | None) -> Refusal | None:
    """Why SageMaker may not attach volumes under a key, or None.

    Caller or role need kms:CreateGrant: "required only if the associated ResourceConfig has a
    specified VolumeKmsKeyId and the associated role does not have a policy that permits this
    action" (of jobs), "if the associated EndPointConfig has a KmsKeyId specified" (of endpoints).

    Args:
        key: Of the volumes, if they have one.
        role: Of the job; None where the caller alone counts.
    """
    if key is None:
        return None
    actors: list[Actor] = [] if role is None else [Role(arn=role, session="SageMaker")]
    caller = _caller()
    actors += [] if caller is None else [caller]
    refusals = [
        use_denied(actor, "kms:CreateGrant", key, via=_VIA, keys=_grant()) for actor in actors
    ]
    return None if None in refusals or not refusals else refusals[0]


def _outputs(request: Mapping[str, Any], role: Actor) -> Iterator[Refusal]:
    """What a role needs beyond what S3 asks of it when it writes."""
    for name in _OUTPUTS:
        for output in _members(request, name):
            key = output.get("KmsKeyId") if isinstance(output, Mapping) else None
            # "If you use a KMS key ID or an alias of your KMS key, the SageMaker execution role
            # must include permissions to call kms:Encrypt" (OutputDataConfig).
            if key and ":key/" not in key:
                yield from _each(role, key, ("Encrypt",))
    offline = (request.get("OfflineStoreConfig") or {}).get("S3StorageConfig") or {}
    if offline.get("KmsKeyId"):
        # "The IAM roleARN ... must have ... kms:GenerateDataKey" (S3StorageConfig).
        yield from _each(role, offline["KmsKeyId"], ("GenerateDataKey",), via="s3")


def _grant() -> dict[str, str]:
    """Whom a grant is for that SageMaker has the caller or the role make."""
    return {"kms:GrantIsForAWSResource": str(plays("volume-grant", "granted")).lower()}


def records_denied(key: str) -> Refusal | None:
    """Why the caller may not write or read records of an online store under a key, or None.

    "The caller to all DataPlane operations must have ... kms:Decrypt" (OnlineStoreSecurityConfig).
    Whether its grant to SageMaker would do instead is not said: here it does not.
    """
    caller = keyed.current_caller()
    if caller is None:
        return None
    refused: Refusal | None = keyed.once_a_request(
        lambda name: next(_each(caller, name, ("Decrypt",)), None), key
    )
    return refused


def _each(
    actor: Actor, key: str, operations: tuple[str, ...], via: str = _VIA
) -> Iterator[Refusal]:
    for operation in operations:
        granted = _grant() if operation.endswith("Grant") or operation == "ListGrants" else None
        why = use_denied(actor, f"kms:{operation}", key, via=via, keys=granted)
        if why is not None:
            yield why


def _caller() -> Actor | None:
    """Who asks: by SageMaker's API, or by CloudFormation."""
    return keyed.current_caller() or current_stack_actor()


def _members(request: Any, name: str) -> Iterator[Any]:
    """The values of a member, wherever it is."""
    if isinstance(request, Mapping):
        for key, value in request.items():
            if key == name and value:
                yield value
            else:
                yield from _members(value, name)
    elif isinstance(request, list):
        for value in request:
            yield from _members(value, name)
