"""What is recorded of decisions, and what follows from it: use, need, and what tests forged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.permissions import coverage
from benchmarks.permissions.recorded import RecordedDecision, read
from local_aws.server import EmbeddedAws, free_port

STACK = "fraudloop-local-data-lake"
PLACE = "arn:aws:s3:::fraudloop-test"


def statement(*actions: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


RESOURCES = {
    "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "fraudloop-test"}},
    "BucketPolicy": {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": {"AWS": "*"},
                        "Action": "s3:*",
                        "Resource": f"{PLACE}/*",
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ]
            },
        },
    },
    "Reader": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": "reader",
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": {"Ref": "AWS::AccountId"}},
                        "Action": "sts:AssumeRole",
                    }
                ]
            },
        },
    },
    "ReaderPolicy": {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "reader",
            "Roles": [{"Ref": "Reader"}],
            "PolicyDocument": {
                "Statement": [
                    statement("s3:GetObject", "s3:PutObject", resource=f"{PLACE}/a/*"),
                    statement("s3:GetObject", resource=f"{PLACE}/a/b/*"),
                    statement(
                        "s3:ListBucket",
                        resource=PLACE,
                        Condition={"StringLike": {"s3:prefix": "a/*"}},
                    ),
                ]
            },
        },
    },
}


def plainly(client: Any) -> Any:
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("X-Forwarded-Proto", "http")
    )
    return client


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RecordedDecision]]:
    folder = tmp_path_factory.mktemp("decisions")
    file = folder / "decisions.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAUDLOOP_DECISIONS", str(file))
        with EmbeddedAws(folder / "state", free_port()) as aws:
            play(aws)
    assert file.stat().st_mode & 0o077 == 0
    yield read(file, [{"DataLake": {"Resources": RESOURCES}}])


def play(aws: EmbeddedAws) -> None:
    session = aws.session()
    cloudformation, s3 = session.client("cloudformation"), session.client("s3")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps({"Resources": RESOURCES}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 0.2}
    )
    for name in ("use", "attack"):
        keys = session.client("sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/reader", RoleSessionName=name
        )["Credentials"]
        reader = aws.session().client(
            "s3",
            endpoint_url=s3.meta.endpoint_url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        if name == "attack":
            reader.put_object(Bucket="fraudloop-test", Key="a/x", Body=b"")
            continue
        s3.put_object(Bucket="fraudloop-test", Key="a/b/x", Body=b"")
        reader.list_objects_v2(Bucket="fraudloop-test", Prefix="a/")
        reader.get_object(Bucket="fraudloop-test", Key="a/b/x")
        with pytest.raises(ClientError):
            reader.get_object(Bucket="fraudloop-test", Key="c")
    with pytest.raises(ClientError, match=r"[Dd]enied|Forbidden"):
        plainly(session.client("s3")).get_object(Bucket="fraudloop-test", Key="a/b/x")


def test_every_decision_follows_from_the_recorded_policies(
    decisions: list[RecordedDecision],
) -> None:
    ours = [each for each in decisions if each.is_ours]
    recorded, strange = coverage.faithful(ours)
    assert [each.asked for each in strange] == []
    assert {each.allowed for each in recorded} == {True, False}


def test_what_was_used_is_told_from_what_was_not(decisions: list[RecordedDecision]) -> None:
    found = coverage.uses(each for each in decisions if each.is_ours)
    unused = coverage.elements([{"DataLake": {"Resources": RESOURCES}}]) - found.keys()
    # What was done to see whether it is forbidden is no use.
    assert [str(each) for each in unused] == [
        f"DataLake/ReaderPolicy: Allow s3:PutObject on {PLACE}/a/*"
    ]


def test_what_is_granted_twice_is_not_missed(decisions: list[RecordedDecision]) -> None:
    found = coverage.mutants(coverage.uses(each for each in decisions if each.is_ours))
    alive = {f"{each.change}: {each.element}" for each in found if not each.killed}
    assert alive == {
        f"removed: DataLake/ReaderPolicy: Allow s3:GetObject on {PLACE}/a/*",
        f"removed: DataLake/ReaderPolicy: Allow s3:GetObject on {PLACE}/a/b/*",
    }
