"""KMS refuses as KMS does: policies, states, aliases, grants, ciphertexts."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

Call = Callable[[Callable[..., Any]], tuple[str, str]]
Client = Callable[[str], Any]
ROOT = {"AWS": "arn:aws:iam::000000000000:root"}
OWNED = {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}
ABSENT = "12345678-1234-1234-1234-123456789012"


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def without(element: str) -> dict[str, Any]:
    return {name: value for name, value in OWNED.items() if name != element}


POLICIES = {
    "locks the owner out": [{**OWNED, "Action": "kms:Decrypt"}],
    "names a principal that is none": [
        OWNED,
        {**OWNED, "Principal": {"AWS": "arn:aws:iam::000000000000:role/absent"}},
    ],
    "names no principal": [OWNED, without("Principal")],
    "names no action": [OWNED, without("Action")],
    "names no resource": [OWNED, without("Resource")],
    "names another resource than *": [OWNED, OWNED | {"Resource": "arn:aws:kms:*:*:key/*"}],
    "has an unknown effect": [OWNED, {**OWNED, "Effect": "Maybe"}],
    "has no statement": [],
    "excludes principals": [OWNED, {**without("Principal"), "NotPrincipal": ROOT}],
}


@pytest.mark.parametrize("why", POLICIES)
def test_a_key_policy(client: Client, world: Any, refusal: Call, why: str) -> None:
    kms, text = client("kms"), json.dumps({"Version": "2012-10-17", "Statement": POLICIES[why]})
    malformed = "MalformedPolicyDocumentException"
    assert refusal(lambda: kms.create_key(Policy=text))[0] == malformed
    key = world.key()
    assert refusal(lambda: kms.put_key_policy(KeyId=key, Policy=text))[0] == malformed


def test_a_locked_out_owner_was_warned(client: Client) -> None:
    text = json.dumps({"Statement": [{**OWNED, "Action": "kms:Decrypt"}]})
    client("kms").create_key(Policy=text, BypassPolicyLockoutSafetyCheck=True)


@pytest.mark.parametrize("policy", ["locks the owner out", "names no principal"])
def test_a_templates_key_policy(deploy: Any, policy: str) -> None:
    properties = {"KeyPolicy": {"Statement": POLICIES[policy]}}
    with pytest.raises(WaiterError):
        deploy({"Key": {"Type": "AWS::KMS::Key", "Properties": properties}})


def test_a_templates_alias_needs_its_key(deploy: Any) -> None:
    properties = {"AliasName": f"alias/{uuid.uuid4().hex}", "TargetKeyId": ABSENT}
    with pytest.raises(WaiterError):
        deploy({"Alias": {"Type": "AWS::KMS::Alias", "Properties": properties}})


PENDING = {
    "enable": lambda kms, key: kms.enable_key(KeyId=key),
    "disable": lambda kms, key: kms.disable_key(KeyId=key),
    "rotate": lambda kms, key: kms.enable_key_rotation(KeyId=key),
    "schedule": lambda kms, key: kms.schedule_key_deletion(KeyId=key),
    "tag": lambda kms, key: kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}]),
    "alias": lambda kms, key: kms.create_alias(AliasName="alias/pending", TargetKeyId=key),
    "encrypt": lambda kms, key: kms.encrypt(KeyId=key, Plaintext=b"x"),
}


def test_a_key_that_waits_for_its_deletion(client: Client, world: Any, refusal: Call) -> None:
    kms, key = client("kms"), world.key()
    assert refusal(lambda: kms.cancel_key_deletion(KeyId=key))[0] == "KMSInvalidStateException"
    for days in (6, 31):
        code, _ = refusal(
            lambda d=days: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=d)
        )
        assert code == "ValidationException"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    for call in PENDING.values():
        assert refusal(lambda c=call: c(kms, key))[0] == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    assert refusal(lambda: kms.enable_key_rotation(KeyId=key))[0] == "DisabledException"


def test_an_alias_takes_permission_on_itself_and_its_key(world: Any, refusal: Call) -> None:
    key, name = world.key(), f"alias/{uuid.uuid4().hex}"
    alias = key.rpartition(":")[0] + f":{name}"
    changes = ["kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"]
    for one in (key, alias):
        kms = world.as_user("kms", allow(changes, one))
        code, _ = refusal(lambda k=kms: k.create_alias(AliasName=name, TargetKeyId=key))
        assert code == "AccessDeniedException"
    world.as_user("kms", allow(changes, [key, alias])).create_alias(AliasName=name, TargetKeyId=key)
    for one in (key, alias):
        kms = world.as_user("kms", allow(changes, one))
        assert refusal(lambda k=kms: k.delete_alias(AliasName=name))[0] == "AccessDeniedException"
    other = world.key()
    kms = world.as_user("kms", allow(changes, [key, alias]))
    code, _ = refusal(lambda: kms.update_alias(AliasName=name, TargetKeyId=other))
    assert code == "AccessDeniedException"
    # Listing them is about no key: no policy can name one for it.
    listing = world.as_user("kms", allow("kms:ListAliases", key))
    assert refusal(lambda: listing.list_aliases(KeyId=key))[0] == "AccessDeniedException"


def test_an_aliass_name_is_not_aws_s(client: Client, world: Any, refusal: Call) -> None:
    kms, key = client("kms"), world.key()
    code, _ = refusal(lambda: kms.create_alias(AliasName="alias/aws/mine", TargetKeyId=key))
    assert code == "InvalidAliasNameException"


def test_a_grant_is_retired_by_those_whom_it_names(
    client: Client, world: Any, refusal: Call
) -> None:
    kms, key = client("kms"), world.key()
    (retiring, first), (grantee, second) = world.user(), world.user()
    granted = kms.create_grant(
        KeyId=key,
        GranteePrincipal=grantee,
        RetiringPrincipal=retiring,
        Operations=["Decrypt"],
    )
    own = kms.create_grant(
        KeyId=key, GranteePrincipal=grantee, Operations=["Decrypt", "RetireGrant"]
    )
    by_grantee, by_retiring = world.of(second, "kms"), world.of(first, "kms")
    for how in (
        {"GrantToken": granted["GrantToken"]},
        {"KeyId": key, "GrantId": granted["GrantId"]},
    ):
        assert refusal(lambda h=how: by_grantee.retire_grant(**h))[0] == "AccessDeniedException"
    by_retiring.retire_grant(GrantToken=granted["GrantToken"])
    code, _ = refusal(lambda: by_retiring.retire_grant(KeyId=key, GrantId=own["GrantId"]))
    assert code == "AccessDeniedException"
    by_grantee.retire_grant(KeyId=key, GrantId=own["GrantId"])


def test_a_grant_is_for_somebody(client: Client, world: Any, refusal: Call) -> None:
    kms, key = client("kms"), world.key()
    for nobody in ("arn:aws:iam::000000000000:role/absent", "somebody"):
        code, _ = refusal(
            lambda who=nobody: kms.create_grant(
                KeyId=key, GranteePrincipal=who, Operations=["Decrypt"]
            )
        )
        assert code == "InvalidArnException"


def test_a_ciphertext_is_its_keys(client: Client, world: Any, refusal: Call) -> None:
    kms, key, other = client("kms"), world.key(), world.key()
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    changed = sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:]
    calls = {
        "IncorrectKeyException": {"CiphertextBlob": sealed, "KeyId": other},
        "InvalidCiphertextException": {"CiphertextBlob": changed},
        "NotFoundException": {"CiphertextBlob": sealed, "KeyId": ABSENT},
    }
    for code, call in calls.items():
        assert refusal(lambda c=call: kms.decrypt(**c))[0] == code
    data = kms.generate_data_key(KeyId=key, NumberOfBytes=16)
    assert kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"] == data["Plaintext"]


SIZES = [
    lambda kms, key: kms.encrypt(KeyId=key, Plaintext=b"x" * 4097),
    lambda kms, key: kms.generate_data_key(KeyId=key),
    lambda kms, key: kms.generate_data_key(KeyId=key, KeySpec="AES_256", NumberOfBytes=16),
]


@pytest.mark.parametrize("call", SIZES)
def test_what_is_too_large_or_ambiguous(
    client: Client, world: Any, refusal: Call, call: Callable[[Any, str], Any]
) -> None:
    assert refusal(lambda: call(client("kms"), world.key()))[0] == "ValidationException"


def test_a_dry_run_does_nothing(client: Client, world: Any, refusal: Call) -> None:
    kms, key = client("kms"), world.key()
    code, _ = refusal(lambda: kms.encrypt(KeyId=key, Plaintext=b"x", DryRun=True))
    assert code == "DryRunOperationException"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("enable_key_rotation", {}),
        ("get_key_policy", {}),
        ("list_grants", {}),
        ("schedule_key_deletion", {}),
        ("tag_resource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ],
)
def test_an_alias_stands_for_a_key_in_its_use_alone(
    client: Client, world: Any, refusal: Call, method: str, arguments: dict[str, Any]
) -> None:
    kms, alias = client("kms"), f"alias/{uuid.uuid4().hex}"
    kms.create_alias(AliasName=alias, TargetKeyId=world.key())
    kms.encrypt(KeyId=alias, Plaintext=b"a")
    called = refusal(lambda: getattr(kms, method)(KeyId=alias, **arguments))
    assert called == ("NotFoundException", f"Invalid keyId '{alias}'")


def test_a_key_is_described_with_its_account_and_its_own_algorithms(
    client: Client, world: Any
) -> None:
    found = client("kms").describe_key(KeyId=world.key())["KeyMetadata"]
    assert found["AWSAccountId"] == "000000000000"
    assert "SigningAlgorithms" not in found
