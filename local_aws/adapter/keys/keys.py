"""KMS's keys, aliases and grants as ministack keeps them, and grants in its decisions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import kms

_CONTEXT = "kms:EncryptionContext:"
# Constraints bind operations that take an encryption context and CreateGrant's new grant, not this
# (API reference, GrantConstraints).
_UNCONSTRAINED = ("DescribeKey",)


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key.

    Attributes:
        arn: Its ARN.
        state: Such as `Enabled`, `Disabled`, `PendingDeletion`.
        usage: Such as `ENCRYPT_DECRYPT`.
        spec: Such as `SYMMETRIC_DEFAULT`.
        origin: Such as `AWS_KMS`.
        multi_region: Whether it has replicas or may have some.
    """

    arn: str
    state: str
    usage: str
    spec: str
    origin: str
    multi_region: bool

    @property
    def aliases(self) -> list[str]:
        """The names of its aliases, such as `alias/data`."""
        name = self.arn.rpartition("/")[2]
        return [_name(arn) for arn, target in kms._aliases.items() if target == name]


def find_key(reference: str) -> Key | None:
    """The key of an id, ARN, alias name or alias ARN, if it is in this account and Region."""
    if (name := _name(reference)).startswith("alias/aws/"):
        _make_managed_key(name)
    record = kms._resolve_key(reference)
    if record is None:
        return None
    return Key(
        arn=str(record["Arn"]),
        state=str(record["KeyState"]),
        usage=str(record["KeyUsage"]),
        spec=str(record["KeySpec"]),
        origin=str(record["Origin"]),
        multi_region=bool(record.get("MultiRegion")),
    )


def key_arn(reference: str) -> str:
    """The ARN that IAM is asked about: a key's, also where an alias names it and none is there."""
    found = find_key(reference)
    if found is not None:
        return found.arn
    if reference.startswith("arn:"):
        return reference
    where = f"arn:aws:kms:{responses.get_region()}:{responses.get_account_id()}:"
    return f"{where}{reference if reference.startswith('alias/') else f'key/{reference}'}"


def let_grants_allow() -> None:
    """Have the evaluator allow what a grant allows and no policy denies explicitly.

    A grant allows beside key policy and IAM policies, and an explicit deny in either wins
    (KMS Developer Guide, "Troubleshooting key access").
    """
    inner = iam_evaluator.enforce

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        denied = inner(access_key_id, iam_action, service, region, resource_arn, service_context)
        if service != "kms" or getattr(denied, "decision", None) != "ImplicitDeny":
            return denied
        account = str(responses.get_account_id())
        limits = iam_evaluator.resolve_principal(access_key_id, account).limits
        # Whether a boundary or session policy narrows a grant is not documented: here it does.
        if limits or not _granted(denied.principal_arn, iam_action, resource_arn, service_context):
            return denied
        return None

    iam_evaluator.enforce = enforce


def _granted(principal: str, action: str, arn: str, keys: Mapping[str, Any] | None) -> bool:
    operation = action.partition(":")[2]
    named = {key.lower(): value for key, value in (keys or {}).items()}
    context = {
        key.removeprefix(_CONTEXT.lower()): value
        for key, value in named.items()
        if key.startswith(_CONTEXT.lower())
    }
    if operation == "RetireGrant":
        return _may_retire(principal, arn, str(named.get("fraudloop:grant", "")))
    for grant in grants_of(arn):
        if operation not in grant["Operations"]:
            continue
        if not iam_evaluator._names_caller({"AWS": grant["GranteePrincipal"]}, principal):
            continue
        constraints = grant.get("Constraints") or {}
        if operation in _UNCONSTRAINED:
            return True
        if operation == "CreateGrant":
            if _is_narrower(grant, named):
                return True
        elif meets(constraints, context):
            return True
    return False


def _may_retire(principal: str, arn: str, grant_id: str) -> bool:
    """Its retiring principal may retire a grant, and its grantee if the grant says so.

    KMS Developer Guide, "Managing grants", "Retiring and revoking grants".
    """
    for grant in grants_of(arn):
        if grant["GrantId"] == grant_id:
            may = [grant.get("RetiringPrincipal")]
            may += [grant["GranteePrincipal"]] if "RetireGrant" in grant["Operations"] else []
            named = {"AWS": [arn for arn in may if arn]}
            return bool(iam_evaluator._names_caller(named, principal))
    return False


def meets(constraints: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether an encryption context fulfils a grant's constraints.

    "The key in each key-value pair is not case sensitive, but the value is" (API reference,
    GrantConstraints).
    """
    have = {key.lower(): value for key, value in context.items()}
    equals = constraints.get("EncryptionContextEquals")
    subset = constraints.get("EncryptionContextSubset") or {}
    if equals and {key.lower(): value for key, value in equals.items()} != have:
        return False
    return all(have.get(key.lower()) == value for key, value in subset.items())


def _is_narrower(parent: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether a new grant gives no more than the one that allows to make it.

    Its operations are a subset and its constraints "equally strict or stricter" (API reference,
    CreateGrant).
    """
    operations = request.get("kms:grantoperations") or ()
    if not set(operations) <= set(parent["Operations"]):
        return False
    wanted = parent.get("Constraints") or {}
    given = request.get("fraudloop:grantconstraints") or {}
    exact, part = wanted.get("EncryptionContextEquals"), wanted.get("EncryptionContextSubset")
    if exact:
        return bool(given.get("EncryptionContextEquals") == exact)
    either = given.get("EncryptionContextEquals") or given.get("EncryptionContextSubset") or {}
    return not part or meets({"EncryptionContextSubset": part}, either)


def grants_of(arn: str) -> Iterator[dict[str, Any]]:
    """The grants of a key."""
    return (grant for grant in list(kms._grants.values()) if grant["KeyId"] == arn)


def _name(reference: str) -> str:
    return reference.split(":", 5)[-1] if reference.startswith("arn:") else reference


def _make_managed_key(alias: str) -> None:
    """An AWS managed key, which is there as soon as somebody names it.

    Its policy is the one that AWS gives it: everybody of the account who may use the service,
    through the service alone (Developer Guide, "AWS managed keys").
    """
    service, account = alias.removeprefix("alias/aws/"), str(responses.get_account_id())
    arn = kms._alias_arn(alias)
    if service not in _MANAGED or arn in kms._aliases:
        return
    host = f"{'ec2' if service == 'ebs' else service}.{responses.get_region()}.amazonaws.com"
    through = {"kms:CallerAccount": account, "kms:ViaService": host}
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [*use, "kms:CreateGrant", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": through},
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    created = kms._create_key({"Policy": policy, "Description": f"Default key of {service}"})
    key = json.loads(created[2])["KeyMetadata"]["KeyId"]
    kms._keys[key]["_manager"] = "AWS"
    kms._aliases[arn] = key
    kms._stamp_alias(arn, created=True)


# Services whose managed keys somebody may name here.
_MANAGED = frozenset({"codebuild", "dynamodb", "ebs", "ecr", "glue", "kinesis", "lambda", "s3"})
_MANAGED |= frozenset({"secretsmanager", "sns", "sqs", "ssm"})


def describe_as_documented() -> None:
    """Tell a key's account, and of its algorithms those that it has (KeyMetadata)."""
    inner = kms._key_metadata

    def key_metadata(record: Any) -> dict[str, Any]:
        found = {**inner(record), "AWSAccountId": str(responses.get_account_id())}
        return {
            name: value for name, value in found.items() if value or not name.endswith("Algorithms")
        }

    kms._key_metadata = key_metadata
