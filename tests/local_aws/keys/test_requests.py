"""KMS's own API: key policies, IAM policies, grants and condition keys decide."""

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[[Callable[..., Any]], tuple[str, str]]
USE = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"]


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


CONTEXTS = [
    ({"StringEquals": {"kms:EncryptionContext:tenant": "one"}}, {"tenant": "one"}),
    ({"StringEquals": {"kms:encryptioncontext:Tenant": "one"}}, {"tenant": "one", "more": "x"}),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["a"]}}, {"a": "1"}),
]


@pytest.mark.parametrize(("condition", "context"), CONTEXTS)
def test_an_encryption_context_is_a_condition(
    world: Any, refusal: Call, condition: Any, context: dict[str, str]
) -> None:
    key = world.key()
    kms = world.as_user("kms", allow(USE, key, Condition=condition))
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x"
    other = {"other": "two"}
    assert refusal(lambda: kms.decrypt(CiphertextBlob=sealed, EncryptionContext=other))[0] == (
        "AccessDeniedException"
    )
    code, _ = refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=other))
    assert code == "AccessDeniedException"


def test_a_grant_allows_what_no_policy_does(world: Any, refusal: Call) -> None:
    key, (arn, session) = world.key(), world.user()
    kms = world.of(session, "kms")
    assert refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))[0] == "AccessDeniedException"
    grant = world.kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt"])
    kms.encrypt(KeyId=key, Plaintext=b"x")
    assert refusal(lambda: kms.describe_key(KeyId=key))[0] == "AccessDeniedException"
    world.kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    assert refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))[0] == "AccessDeniedException"


CONSTRAINTS = [
    ({"EncryptionContextSubset": {"a": "1"}}, {"A": "1", "b": "2"}, {"b": "2"}),
    ({"EncryptionContextEquals": {"a": "1"}}, {"a": "1"}, {"a": "1", "b": "2"}),
    ({"EncryptionContextSubset": {"a": "x"}}, {"a": "x"}, {"a": "X"}),
]


@pytest.mark.parametrize(("constraints", "good", "bad"), CONSTRAINTS)
def test_a_grant_has_constraints(
    world: Any, refusal: Call, constraints: Any, good: Any, bad: Any
) -> None:
    key, (arn, session) = world.key(), world.user()
    kms = world.of(session, "kms")
    world.kms.create_grant(
        KeyId=key,
        GranteePrincipal=arn,
        Operations=["Encrypt", "DescribeKey"],
        Constraints=constraints,
    )
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=good)
    kms.describe_key(KeyId=key)
    code, _ = refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=bad))
    assert code == "AccessDeniedException"


def test_a_deny_wins_over_a_grant(world: Any, refusal: Call) -> None:
    key = world.key()
    arn, session = world.user({**allow("kms:Encrypt", key), "Effect": "Deny"})
    world.kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt"])
    kms = world.of(session, "kms")
    assert refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))[0] == "AccessDeniedException"


def test_what_a_grant_lets_grant_is_no_more_than_itself(world: Any, refusal: Call) -> None:
    key, (arn, session) = world.key(), world.user()
    kms = world.of(session, "kms")
    world.kms.create_grant(
        KeyId=key,
        GranteePrincipal=arn,
        Operations=["CreateGrant", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    same = {"EncryptionContextSubset": {"a": "1", "b": "2"}}

    def grant(operation: str, **constraints: Any) -> Any:
        return kms.create_grant(
            KeyId=key, GranteePrincipal=arn, Operations=[operation], **constraints
        )

    grant("Decrypt", Constraints=same)
    assert refusal(lambda: grant("Encrypt", Constraints=same))[0] == "AccessDeniedException"
    assert refusal(lambda: grant("Decrypt"))[0] == "AccessDeniedException"


GRANT_CONDITIONS = [
    {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt"]}},
    {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}},
    {"StringEquals": {"kms:GranteePrincipal": "arn:aws:iam::000000000000:user/other"}},
    {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    {"StringEquals": {"kms:CallerAccount": "111111111111"}},
    {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/other"}},
]


def test_a_grant_that_somebody_makes_himself_is_for_no_service(world: Any) -> None:
    key = world.key()
    condition = {"Bool": {"kms:GrantIsForAWSResource": "false"}}
    arn, session = world.user(allow("kms:CreateGrant", key, Condition=condition))
    kms = world.of(session, "kms")
    assert kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])["GrantId"]


@pytest.mark.parametrize("condition", GRANT_CONDITIONS)
def test_a_new_grant_is_under_conditions(world: Any, refusal: Call, condition: Any) -> None:
    key = world.key()
    arn, session = world.user(allow("kms:CreateGrant", key, Condition=condition))
    kms = world.of(session, "kms")
    code, _ = refusal(
        lambda: kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
    )
    assert code == "AccessDeniedException"


def test_an_alias_stands_for_its_key(world: Any, refusal: Call) -> None:
    key, alias = world.key(), "alias/test-stands-for-its-key"
    world.kms.create_alias(AliasName=alias, TargetKeyId=key)
    arn = key.rpartition(":")[0] + f":{alias}"
    by_key = world.as_user("kms", allow("kms:Encrypt", key))
    for reference in (alias, arn):
        by_key.encrypt(KeyId=reference, Plaintext=b"x")
    by_alias = world.as_user("kms", allow("kms:Encrypt", arn))
    code, _ = refusal(lambda: by_alias.encrypt(KeyId=alias, Plaintext=b"x"))
    assert code == "AccessDeniedException"
    requested = {"StringEquals": {"kms:RequestAlias": alias}}
    through = world.as_user("kms", allow("kms:Encrypt", key, Condition=requested))
    through.encrypt(KeyId=alias, Plaintext=b"x")
    assert refusal(lambda: through.encrypt(KeyId=key, Plaintext=b"x"))[0] == (
        "AccessDeniedException"
    )
