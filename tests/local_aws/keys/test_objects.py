"""An object under a KMS key is written and read by those alone who may use the key."""

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Call = Callable[[Callable[..., Any]], tuple[str, str]]
S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
ABSENT = "arn:aws:kms:us-east-1:000000000000:key/12345678-1234-1234-1234-123456789012"


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def when(**equals: str) -> dict[str, Any]:
    names = {name.replace("__", ":"): value for name, value in equals.items()}
    return {"Condition": {"StringEquals": names}}


def encrypted(key: str, **more: str) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, **more}


@pytest.fixture(scope="module")
def bucket(client: Callable[[str], Any]) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    client("s3").create_bucket(Bucket=name)
    yield name


@pytest.fixture(scope="module")
def key(world: Any) -> str:
    return str(world.key())


@pytest.fixture(scope="module")
def written(client: Callable[[str], Any], bucket: str, key: str) -> str:
    client("s3").put_object(Bucket=bucket, Key="in", Body=b"secret", **encrypted(key))
    return "in"


def test_who_writes_needs_a_data_key(world: Any, bucket: str, key: str, refusal: Call) -> None:
    without = world.as_user("s3", S3, allow("kms:Decrypt", key))
    code, said = refusal(
        lambda: without.put_object(Bucket=bucket, Key="o", Body=b"", **encrypted(key))
    )
    assert code == "AccessDenied"
    assert f"is not authorized to perform: kms:GenerateDataKey on resource: {key} because" in said
    world.as_user("s3", S3, allow("kms:GenerateDataKey", key)).put_object(
        Bucket=bucket, Key="o", Body=b"", **encrypted(key)
    )


READS = {
    "get": lambda s3, of: s3.get_object(**of),
    "range": lambda s3, of: s3.get_object(**of, Range="bytes=0-1"),
    "copy": lambda s3, of: s3.copy_object(Bucket=of["Bucket"], Key="copy", CopySource=of),
    "attributes": lambda s3, of: s3.get_object_attributes(**of, ObjectAttributes=["ETag"]),
    "checksum": lambda s3, of: s3.head_object(**of, ChecksumMode="ENABLED"),
    "part": lambda s3, of: s3.get_object(**of, PartNumber=1),
}


@pytest.mark.parametrize("how", READS)
def test_who_reads_needs_decryption(
    world: Any, bucket: str, key: str, written: str, refusal: Call, how: str
) -> None:
    of = {"Bucket": bucket, "Key": written}
    without = world.as_user("s3", S3, allow("kms:GenerateDataKey", key))
    code, said = refusal(lambda: READS[how](without, of))
    assert code in ("AccessDenied", "403")
    assert code == "403" or f"perform: kms:Decrypt on resource: {key}" in said
    READS[how](world.as_user("s3", S3, allow("kms:Decrypt", key)), of)


def test_a_head_without_checksum_reads_nothing(world: Any, bucket: str, written: str) -> None:
    assert world.as_user("s3", S3).head_object(Bucket=bucket, Key=written)["ContentLength"] == 6


CONDITIONS = [
    (when(kms__ViaService="s3.us-east-1.amazonaws.com"), True),
    (when(kms__ViaService="sqs.us-east-1.amazonaws.com"), False),
    (when(**{"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::{bucket}/in"}), True),
    (when(**{"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::{bucket}/other"}), False),
    (when(**{"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::{bucket}"}), False),
    (when(kms__CallerAccount="000000000000"), True),
    (when(kms__GrantIsForAWSResource="true"), False),
]


@pytest.mark.parametrize(("condition", "works"), CONDITIONS)
def test_the_object_and_s3_are_conditions(
    world: Any, bucket: str, key: str, written: str, refusal: Call, condition: Any, works: bool
) -> None:
    text = json.dumps(condition).replace("{bucket}", bucket)
    s3 = world.as_user("s3", S3, allow("kms:Decrypt", key, **json.loads(text)))
    if works:
        assert s3.get_object(Bucket=bucket, Key=written)["Body"].read() == b"secret"
    else:
        assert refusal(lambda: s3.get_object(Bucket=bucket, Key=written))[0] == "AccessDenied"


def test_a_bucket_key_has_the_bucket_as_context(
    world: Any, bucket: str, key: str, refusal: Call
) -> None:
    of_bucket = when(**{"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}"})
    s3 = world.as_user("s3", S3, allow(["kms:Decrypt", "kms:GenerateDataKey"], key, **of_bucket))
    put = {"Bucket": bucket, "Key": "with", "Body": b"x", **encrypted(key)}
    assert s3.put_object(**put, BucketKeyEnabled=True)["BucketKeyEnabled"] is True
    assert s3.get_object(Bucket=bucket, Key="with")["BucketKeyEnabled"] is True
    assert refusal(lambda: s3.put_object(**put))[0] == "AccessDenied"
    # S3 verifies the bucket key before it uses it.
    only = world.as_user("s3", S3, allow("kms:GenerateDataKey", key))
    assert refusal(lambda: only.put_object(**put, BucketKeyEnabled=True))[0] == "AccessDenied"


def test_a_context_of_ones_own_joins_s3s(world: Any, bucket: str, key: str, refusal: Call) -> None:
    own = b64encode(json.dumps({"tenant": "one"}).encode()).decode()
    s3 = world.as_user(
        "s3", S3, allow("kms:*", key, **when(**{"kms:EncryptionContext:tenant": "one"}))
    )
    put = {"Bucket": bucket, "Key": "own", "Body": b"x", **encrypted(key)}
    s3.put_object(**put, SSEKMSEncryptionContext=own)
    s3.get_object(Bucket=bucket, Key="own")
    assert refusal(lambda: s3.put_object(**put))[0] == "AccessDenied"
    bad = refusal(lambda: s3.put_object(**put, SSEKMSEncryptionContext="e30"))
    assert bad[0] == "InvalidArgument"


def test_parts_are_read_back(world: Any, bucket: str, key: str, refusal: Call) -> None:
    of = {"Bucket": bucket, "Key": "parts"}
    writer = world.as_user("s3", S3, allow("kms:GenerateDataKey", key))
    assert refusal(lambda: writer.create_multipart_upload(**of, **encrypted(key)))[0] == (
        "AccessDenied"
    )
    both = world.as_user("s3", S3, allow(["kms:GenerateDataKey", "kms:Decrypt"], key))
    upload = {**of, "UploadId": both.create_multipart_upload(**of, **encrypted(key))["UploadId"]}
    part = {**upload, "PartNumber": 1, "Body": b"x"}
    assert refusal(lambda: writer.upload_part(**part))[0] == "AccessDenied"
    tag = both.upload_part(**part)["ETag"]
    done = {"Parts": [{"ETag": tag, "PartNumber": 1}]}
    assert refusal(lambda: writer.complete_multipart_upload(**upload, MultipartUpload=done))[0] == (
        "AccessDenied"
    )
    both.complete_multipart_upload(**upload, MultipartUpload=done)


def test_a_buckets_default_counts(world: Any, client: Any, key: str, refusal: Call) -> None:
    s3, name = client("s3"), f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    other = world.as_user("s3", S3)
    assert refusal(lambda: other.put_object(Bucket=name, Key="o", Body=b""))[0] == "AccessDenied"
    assert s3.put_object(Bucket=name, Key="o", Body=b"")["BucketKeyEnabled"] is True
    # The key's own policy alone lets nobody in through another service or key.
    assert refusal(lambda: other.get_object(Bucket=name, Key="o"))[0] == "AccessDenied"


def test_s3s_own_key_is_for_everybody_through_s3(world: Any, bucket: str, refusal: Call) -> None:
    s3 = world.as_user("s3", S3)
    put = s3.put_object(Bucket=bucket, Key="own", Body=b"x", ServerSideEncryption="aws:kms")
    assert ":key/" in put["SSEKMSKeyId"]
    assert s3.get_object(Bucket=bucket, Key="own")["Body"].read() == b"x"
    # Not outside S3, whatever IAM allows, nor through another service.
    kms = world.as_user("kms", allow("kms:*"))
    assert kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyManager"] == "AWS"
    code, _ = refusal(lambda: kms.encrypt(KeyId="alias/aws/s3", Plaintext=b"x"))
    assert code == "AccessDeniedException"


UNUSABLE = ["absent", "alias", "disabled", "deleted", "asymmetric"]


@pytest.mark.parametrize("state", UNUSABLE)
def test_a_key_that_cannot_be_used(
    world: Any, client: Any, bucket: str, refusal: Call, state: str
) -> None:
    s3, kms = client("s3"), client("kms")
    key = {"absent": ABSENT, "alias": "alias/absent"}.get(state) or world.key()
    if state == "disabled":
        s3.put_object(Bucket=bucket, Key="disabled", Body=b"", **encrypted(key))
        kms.disable_key(KeyId=key)
        code, _ = refusal(lambda: s3.get_object(Bucket=bucket, Key="disabled"))
        assert code == "KMS.DisabledException"
    if state == "deleted":
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    if state == "asymmetric":
        key = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    code, _ = refusal(lambda: s3.put_object(Bucket=bucket, Key="o", Body=b"", **encrypted(key)))
    assert (
        code
        == {
            "absent": "KMS.NotFoundException",
            "alias": "KMS.NotFoundException",
            "disabled": "KMS.DisabledException",
            "deleted": "KMS.KMSInvalidStateException",
            "asymmetric": "KMS.InvalidKeyUsageException",
        }[state]
    )


def test_an_alias_is_kept_as_its_key(world: Any, client: Any, bucket: str) -> None:
    key, alias = world.key(), f"alias/{uuid.uuid4().hex}"
    client("kms").create_alias(AliasName=alias, TargetKeyId=key)
    put = client("s3").put_object(Bucket=bucket, Key="alias", Body=b"", **encrypted(alias))
    assert put["SSEKMSKeyId"] == key
