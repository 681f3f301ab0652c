"""The quotas of CodeBuild, Lambda, Kinesis and EventBridge."""

import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.quotas.conftest import refused
from tests.local_aws.sagemaker.serving import unique

Limited = Callable[[str], Any]


def archived(code: str) -> bytes:
    """A function's code as index.py."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", code)
    return out.getvalue()


def role(limited: Limited, service: str) -> str:
    """A role that a service may assume."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    create = limited("iam").create_role
    return str(create(RoleName=unique("role"), AssumeRolePolicyDocument=document)["Role"]["Arn"])


def project(limited: Limited, size: str) -> str:
    name = unique("project")
    limited("codebuild").create_project(
        name=name,
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": f"BUILD_GENERAL1_{size}",
        },
        serviceRole=role(limited, "codebuild"),
    )
    return name


def test_builds_are_refused_by_their_environment(limited: Limited) -> None:
    start = limited("codebuild").start_build
    assert refused(start, projectName=project(limited, "LARGE")) == (
        "AccountLimitExceededException",
        "Cannot have more than 0 builds in queue for the account",
    )
    assert start(projectName=project(limited, "MEDIUM"))["build"]["id"]


def test_a_shard_takes_so_many_records_a_second(limited: Limited) -> None:
    kinesis, name = limited("kinesis"), unique("stream")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    one = {"Data": b"1", "PartitionKey": "a"}
    answer = kinesis.put_records(StreamName=name, Records=[one, one, one])
    words = f"Rate exceeded for shard shardId-000000000000 in stream {name} under account "
    failed = {
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": f"{words}000000000000.",
    }
    assert answer["FailedRecordCount"] == 2
    assert "SequenceNumber" in answer["Records"][0]
    assert answer["Records"][1:] == [failed, failed]
    assert refused(kinesis.put_record, StreamName=name, **one) == tuple(failed.values())
    # What was refused is not in the stream.
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert len(kinesis.get_records(ShardIterator=iterator)["Records"]) == 1
    # Another of its name begins anew.
    kinesis.delete_stream(StreamName=name)
    kinesis.create_stream(StreamName=name, ShardCount=1)
    assert kinesis.put_records(StreamName=name, Records=[one])["FailedRecordCount"] == 0
    kinesis.delete_stream(StreamName=name)


def test_a_region_has_so_many_shards(limited: Limited) -> None:
    code, words = refused(limited("kinesis").create_stream, StreamName="many", ShardCount=6)
    assert code == "LimitExceededException"
    assert words.startswith(
        "This request would exceed the shard limit for the account 000000000000 in us-east-1. "
        "Current shard count for the account: 0. Limit: 5. Number of additional shards that would "
        "have resulted from this request: 6. "
    )


def test_events_are_throttled(limited: Limited) -> None:
    put = limited("events").put_events
    event = {"Source": "test", "DetailType": "test", "Detail": "{}"}
    assert put(Entries=[event])["FailedEntryCount"] == 0
    assert refused(put, Entries=[event]) == ("ThrottlingException", "Rate exceeded")


def test_executions_at_a_time_are_bounded(limited: Limited) -> None:
    functions, name = limited("lambda"), unique("function")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handle",
        Role=role(limited, "lambda"),
        Timeout=30,
        Code={"ZipFile": archived("import time\ndef handle(event, _):\n    time.sleep(event)\n")},
    )
    assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(functions.invoke, FunctionName=name, Payload=b"3") for _ in range(2)]
        errors = [error for call in calls if (error := call.exception()) is not None]
    (error,) = errors
    assert isinstance(error, ClientError)
    assert error.response["Error"] == {
        "Code": "TooManyRequestsException",
        "Message": "Rate Exceeded.",
    }
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert error.response["Reason"] == "ConcurrentInvocationLimitExceeded"
    reserve = functions.put_function_concurrency
    assert refused(reserve, FunctionName=name, ReservedConcurrentExecutions=1) == (
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [1].",
    )


@pytest.mark.parametrize("account", ["new", "established"])
def test_a_new_account_has_what_aws_gives_it(tmp_path: Any, account: str) -> None:
    given = tmp_path / "quotas.json"
    given.write_text(f'{{"account": "{account}"}}')
    with EmbeddedAws(tmp_path / "state", free_port(), quotas=given) as aws:
        quotas = aws.session().client("service-quotas")
        found = {
            name: quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
            for name, service, code in (
                ("endpoint", "sagemaker", "L-3C2EBC55"),
                ("training", "sagemaker", "L-CCE2AFA6"),
                ("functions", "lambda", "L-B99A9384"),
            )
        }
    assert found == (
        {"endpoint": 0, "training": 0, "functions": 10}
        if account == "new"
        else {"endpoint": 16, "training": 30, "functions": 1000}
    )
