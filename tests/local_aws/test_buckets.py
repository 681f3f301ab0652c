import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

Client = Callable[[str], Any]
Deploy = Callable[..., dict[str, str]]

LIFECYCLE = {
    "Rules": [
        {
            "Id": "old",
            "Status": "Enabled",
            "Prefix": "captures/",
            "ExpirationInDays": 90,
            "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 30}],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
}


OWNED = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
}


@pytest.fixture
def bucket(deploy: Deploy) -> str:
    resources = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": OWNED}},
        "Logs": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "Tags": [{"Key": "owner", "Value": "fraud"}],
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
                            },
                        }
                    ]
                },
                "LifecycleConfiguration": LIFECYCLE,
                "LoggingConfiguration": {
                    "DestinationBucketName": {"Ref": "Logs"},
                    "LogFilePrefix": "raw/",
                },
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
    }
    return deploy(resources, {"Name": {"Ref": "Bucket"}})["Name"]


def test_a_bucket_has_its_templates_tags(bucket: str, client: Client) -> None:
    tags = {t["Key"]: t["Value"] for t in client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert tags["owner"] == "fraud"
    assert tags["aws:cloudformation:logical-id"] == "Bucket"


def test_a_bucket_encrypts_with_its_templates_key(bucket: str, client: Client) -> None:
    s3 = client("s3")
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    rule = encryption["Rules"][0]
    assert rule["BucketKeyEnabled"] is True
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="asked", Body=b"x", ServerSideEncryption="aws:kms")
    for name in ("plain", "asked"):
        assert s3.head_object(Bucket=bucket, Key=name)["SSEKMSKeyId"] == key
    empty(s3, bucket)


def test_a_bucket_has_its_templates_lifecycle(bucket: str, client: Client) -> None:
    (rule,) = client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Filter"]["Prefix"] == "captures/"
    assert rule["Expiration"]["Days"] == 90
    assert rule["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_a_bucket_logs_where_its_template_says(bucket: str, client: Client) -> None:
    logging = client("s3").get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert logging["TargetPrefix"] == "raw/"
    owner = client("s3").get_bucket_ownership_controls(Bucket=logging["TargetBucket"])
    assert owner["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "ObjectWriter"}]


def test_a_bucket_blocks_public_access(bucket: str, client: Client) -> None:
    block = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block["BlockPublicAcls"] is True


def test_a_bucket_with_objects_is_not_deleted(deploy: Deploy, client: Client) -> None:
    name = deploy(
        {"Bucket": {"Type": "AWS::S3::Bucket"}}, {"Name": {"Ref": "Bucket"}}, name="keeps-data"
    )["Name"]
    client("s3").put_object(Bucket=name, Key="data", Body=b"x")
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName="keeps-data")
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName="keeps-data", WaiterConfig={"Delay": 0.1, "MaxAttempts": 50}
        )
    events = cloudformation.describe_stack_events(StackName="keeps-data")["StackEvents"]
    assert any("not empty" in event.get("ResourceStatusReason", "") for event in events)
    empty(client("s3"), name)


@pytest.mark.parametrize(
    ("listing", "codes"),
    [
        (None, {"AccessDenied", "403"}),
        # The request of an object has no prefix, so that this does not hold for it.
        ({"StringLike": {"s3:prefix": ["data/*"]}}, {"AccessDenied", "403"}),
        ({}, {"NoSuchKey", "404"}),
    ],
)
def test_who_may_not_list_a_bucket_is_not_told_that_an_object_is_absent(
    client: Client, listing: dict[str, Any] | None, codes: set[str]
) -> None:
    name = f"hides-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    client("s3").put_object(Bucket=name, Key="data/there", Body=b"x")
    arn = f"arn:aws:s3:::{name}"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{arn}/*"}
    ]
    if listing is not None:
        may = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn, "Condition": listing}
        statements.append(may)
    s3 = user_client(client, name, statements)
    assert s3.get_object(Bucket=name, Key="data/there")["Body"].read() == b"x"
    source = {"Bucket": name, "Key": "data/there"}
    s3.copy_object(CopySource=source, Bucket=name, Key="data/copy")
    found = set()
    for call in (
        lambda: s3.get_object(Bucket=name, Key="data/gone"),
        lambda: s3.head_object(Bucket=name, Key="data/gone"),
        lambda: s3.copy_object(CopySource=source | {"Key": "gone"}, Bucket=name, Key="data/copy"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        found.add(refused.value.response["Error"]["Code"])
    assert found == codes


@pytest.mark.parametrize("allowed", ["s3:DeleteObject", "s3:DeleteObjectVersion"])
def test_a_version_is_deleted_by_who_may_delete_both(client: Client, allowed: str) -> None:
    name = f"deletes-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    client("s3").put_object(Bucket=name, Key="data", Body=b"x")
    s3 = user_client(
        client, name, [{"Effect": "Allow", "Action": allowed, "Resource": f"arn:aws:s3:::{name}/*"}]
    )
    for delete in (
        lambda: s3.delete_object(Bucket=name, Key="data", VersionId="null"),
        lambda: s3.delete_objects(
            Bucket=name, Delete={"Objects": [{"Key": "data", "VersionId": "null"}]}
        ),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            delete()


def user_client(client: Client, name: str, statements: list[dict[str, Any]]) -> Any:
    """S3 as a user who may do this, and nothing else."""
    iam = client("iam")
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "s3",
        endpoint_url=client("s3").meta.endpoint_url,
        region_name=client("s3").meta.region_name,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def empty(s3: Any, bucket: str) -> None:
    versions = s3.list_object_versions(Bucket=bucket)
    for version in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("create_bucket", {"CreateBucketConfiguration": "us-east-1"}, "InvalidLocationConstraint"),
        ("delete_objects", {"Delete": {"Objects": []}}, "MalformedXML"),
        ("list_objects_v2", {"ContinuationToken": "guessed"}, "InvalidArgument"),
        ("put_object", {"Key": "k", "StorageClass": "GLACIER"}, "NotImplemented"),
        ("put_public_access_block", {"PublicAccessBlockConfiguration": {}}, "InvalidRequest"),
        *(
            ("put_bucket_tagging", {"Tagging": {"TagSet": tags}}, "InvalidTag")
            for tags in (
                [{"Key": "aws:a", "Value": "b"}],
                [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}],
                [{"Key": "a" * 129, "Value": "b"}],
                [{"Key": "a", "Value": "b" * 257}],
            )
        ),
        *(
            (
                "put_bucket_lifecycle_configuration",
                {"LifecycleConfiguration": {"Rules": rules}},
                code,
            )
            for rules, code in (
                ([], "MalformedXML"),
                ([{"Filter": {"Prefix": ""}}], "InvalidRequest"),
                ([{"Expiration": {"Days": 1}}], "MalformedXML"),
                (
                    [{"Filter": {"Prefix": ""}, "Prefix": "", "Expiration": {"Days": 1}}],
                    "Malformed",
                ),
                ([{"Filter": {"Prefix": ""}, "Transitions": [{"Days": 1}]}], "MalformedXML"),
                (
                    [
                        {
                            "Filter": {"Prefix": ""},
                            "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True},
                        }
                    ],
                    "MalformedXML",
                ),
            )
        ),
    ],
)
def test_a_body_is_held_to_its_operation(
    client: Client, method: str, arguments: dict[str, Any], code: str
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="held-to-it")
    given = dict(arguments)
    if "CreateBucketConfiguration" in given:
        place = given["CreateBucketConfiguration"]
        given["CreateBucketConfiguration"] = {"LocationConstraint": place}
    for rule in given.get("LifecycleConfiguration", {}).get("Rules", ()):
        rule["Status"] = "Enabled"
    with pytest.raises(ClientError, match=code):
        getattr(s3, method)(Bucket="held-to-it", **given)


def test_an_object_has_a_type_and_its_checksum_is_told(client: Client) -> None:
    s3, place = client("s3"), {"Bucket": "typed-objects", "Key": "k"}
    s3.create_bucket(Bucket=place["Bucket"])
    assert s3.put_object(**place, Body=b"a", ChecksumAlgorithm="CRC32")["ChecksumCRC32"]
    assert s3.head_object(**place)["ContentType"] == "binary/octet-stream"
