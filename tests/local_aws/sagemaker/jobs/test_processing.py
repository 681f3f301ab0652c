"""Processing jobs through boto3: data in and out, permissions, messages, stops, refusals."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws
from tests.local_aws.sagemaker.conftest import (
    ENTRIES,
    IMAGE,
    LOGGING,
    allow,
    printed,
    unique,
    wait_for,
)


@pytest.fixture
def start(client: Callable[[str], Any], bucket: str, job_role: str) -> Callable[..., str]:
    """start(entry, ...): the name of a job that runs an entry point of `entries`, or a line."""

    def run(entry: str, *, arguments: tuple[str, ...] = (), **changes: Any) -> str:
        name = unique("job")
        words = [*ENTRIES, entry] if entry.isidentifier() else ["python", "-c", entry]
        request = {
            "ProcessingJobName": name,
            "RoleArn": job_role,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": words,
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
            **changes,
        }
        client("sagemaker").create_processing_job(**request)
        return name

    return run


@pytest.fixture
def ended(client: Callable[[str], Any]) -> Callable[[str], dict[str, Any]]:
    """ended(name): the description of a job once it has ended."""
    sagemaker = client("sagemaker")
    return lambda name: wait_for(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name), "ProcessingJobStatus"
    )


def reads(bucket: str, prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "InputName": "raw",
            "S3Input": {
                "S3Uri": f"s3://{bucket}/{prefix}",
                "LocalPath": "/opt/ml/processing/input/raw",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }
    ]


def writes(bucket: str, prefix: str, **config: str) -> dict[str, Any]:
    output = {
        "S3Uri": f"s3://{bucket}/{prefix}",
        "LocalPath": "/opt/ml/processing/output/report",
        "S3UploadMode": "EndOfJob",
    }
    return {"Outputs": [{"OutputName": "report", "S3Output": output}], **config}


def test_a_job_reads_and_writes_s3_with_its_own_environment(
    client: Callable[[str], Any], bucket: str, start: Any, ended: Any
) -> None:
    s3, prefix = client("s3"), unique("raw")
    for key in ("a.txt", "day=1/b.txt"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"x")
    s3.put_object(Bucket=bucket, Key=f"{prefix}-other/c.txt", Body=b"x")
    key = client("kms").create_key()["KeyMetadata"]["KeyId"]

    name = start(
        "copy",
        arguments=("--days", "7"),
        ProcessingInputs=reads(bucket, prefix + "/"),
        ProcessingOutputConfig=writes(bucket, f"out/{prefix}", KmsKeyId=key),
        Environment={"GROUP": "fraud"},
    )

    job = ended(name)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    written = s3.get_object(Bucket=bucket, Key=f"out/{prefix}/report.json")
    assert written["ServerSideEncryption"] == "aws:kms"
    assert key in written["SSEKMSKeyId"]
    report = json.loads(written["Body"].read())
    assert report["names"] == ["a.txt", "day=1/b.txt"]
    assert report["job"] == name
    assert report["arguments"] == ["--days", "7"]


def test_output_goes_to_cloudwatch_logs(
    client: Callable[[str], Any], start: Any, ended: Any
) -> None:
    name = start("print('hello'); print('world')")
    ended(name)
    logs = client("logs")
    group = "/aws/sagemaker/ProcessingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    found = stream["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=found)["events"]
    assert [event["message"] for event in events] == ["hello", "world"]


def test_a_role_that_may_not_log_has_no_log_and_its_job_goes_on(
    client: Callable[[str], Any], make_role: Any, start: Any, ended: Any
) -> None:
    group = "/aws/sagemaker/ProcessingJobs"
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"

    def logged(*statements: dict[str, Any]) -> bool:
        name = start("print('hello')", RoleArn=make_role(*statements))
        assert ended(name)["ProcessingJobStatus"] == "Completed"
        found = client("logs").describe_log_streams(
            logGroupName=group, logStreamNamePrefix=f"{name}/"
        )
        return bool(found["logStreams"])

    assert logged(allow(LOGGING, f"{arn}:*"))
    # As denials of AWS read, it asks about a log stream and never about the group alone.
    assert not logged(allow(LOGGING, arn))
    assert not logged(allow([each for each in LOGGING if "Describe" not in each], f"{arn}:*"))


def test_a_key_for_a_disk_that_the_instance_brings_along_is_refused(start: Any) -> None:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.r5d.large", "VolumeSizeInGB": 10}
    with pytest.raises(ClientError, match=r"VolumeKmsKeyId .* got ml\.r5d\.large"):
        start("copy", ProcessingResources={"ClusterConfig": {**cluster, "VolumeKmsKeyId": "k"}})


def test_a_failing_job_gives_its_message_and_uploads_nothing(
    client: Callable[[str], Any], bucket: str, start: Any, ended: Any
) -> None:
    prefix = unique("out")
    job = ended(start("refuse", ProcessingOutputConfig=writes(bucket, prefix)))
    reason = "transactions/a.parquet row 3: amount must be positive"
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == reason
    assert job["FailureReason"] == f"AlgorithmError: {reason}, exit code: 1"
    assert client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 0


def test_a_job_may_read_only_what_its_role_may(
    client: Callable[[str], Any], bucket: str, start: Any, ended: Any
) -> None:
    client("s3").put_object(Bucket=bucket, Key="secret/x", Body=b"x")
    job = ended(start("copy", ProcessingInputs=reads(bucket, "secret/")))
    assert job["ProcessingJobStatus"] == "Failed"
    assert "AccessDenied" in job["FailureReason"]
    assert f"s3://{bucket}/secret/" in job["FailureReason"]


def test_an_input_without_objects_fails_the_job(bucket: str, start: Any, ended: Any) -> None:
    job = ended(start("copy", ProcessingInputs=reads(bucket, "nothing/")))
    assert f'No S3 objects found under S3 URL "s3://{bucket}/nothing/"' in job["FailureReason"]


def test_a_job_can_be_stopped(
    client: Callable[[str], Any],
    start: Any,
    ended: Any,
    embedded_aws: EmbeddedAws,
    eventually: Callable[..., Any],
) -> None:
    name = start("sleep")
    # Before its handler is there, process 1 does not hear SIGTERM, as on AWS.
    eventually(lambda: printed(embedded_aws, name))
    client("sagemaker").stop_processing_job(ProcessingJobName=name)
    assert ended(name)["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="in status Stopped"):
        client("sagemaker").stop_processing_job(ProcessingJobName=name)


def test_a_job_may_not_run_for_too_long(start: Any, ended: Any) -> None:
    job = ended(start("sleep", StoppingCondition={"MaxRuntimeInSeconds": 3}))
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


def test_network_isolation_takes_the_credentials_away(
    client: Callable[[str], Any], bucket: str, start: Any, ended: Any
) -> None:
    client("s3").put_object(Bucket=bucket, Key="isolated/in/a", Body=b"x")
    job = ended(
        start(
            "copy",
            NetworkConfig={"EnableNetworkIsolation": True},
            ProcessingInputs=reads(bucket, "isolated/in"),
            ProcessingOutputConfig=writes(bucket, "isolated/out"),
        )
    )
    assert job["ProcessingJobStatus"] == "Completed"
    body = client("s3").get_object(Bucket=bucket, Key="isolated/out/report.json")["Body"].read()
    assert "AWS_ACCESS_KEY_ID" not in json.loads(body)["environment"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"AppSpecification": {"ImageUri": "docker.io/library/redis:7"}},
            "does not support the image 'docker.io/library/redis:7'",
        ),
        (
            {"AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["bash"]}},
            "does not support the entry point 'bash'",
        ),
        (
            {"ProcessingInputs": [{"InputName": "x", "AppManaged": True}]},
            "does not support ProcessingInputs 'x' that is not an S3Input",
        ),
        ({"ProcessingJobName": "no spaces"}, "Value 'no spaces' at 'processingJobName' failed"),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    client: Callable[[str], Any], start: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        start("0", **changes)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert message in refusal.value.response["Error"]["Message"]


def test_a_manifest_is_refused(bucket: str, start: Any) -> None:
    inputs = reads(bucket, "x")
    inputs[0]["S3Input"]["S3DataType"] = "ManifestFile"
    with pytest.raises(ClientError, match="S3DataType must be S3Prefix, got ManifestFile"):
        start("0", ProcessingInputs=inputs)


def test_names_are_unique_and_jobs_are_listed(
    client: Callable[[str], Any], start: Any, ended: Any
) -> None:
    sagemaker = client("sagemaker")
    names = []
    for _ in range(3):
        # One after the other: two of the same millisecond have no order.
        names.append(start("0"))
        ended(names[-1])
    with pytest.raises(ClientError, match="must be unique"):
        start("0", ProcessingJobName=names[0])
    first = sagemaker.list_processing_jobs(
        MaxResults=2, StatusEquals="Completed", SortOrder="Descending"
    )
    summaries = first["ProcessingJobSummaries"]
    assert [item["ProcessingJobName"] for item in summaries] == names[:0:-1]
    second = sagemaker.list_processing_jobs(
        MaxResults=1,
        StatusEquals="Completed",
        SortOrder="Descending",
        NextToken=first["NextToken"],
    )
    assert second["ProcessingJobSummaries"][0]["ProcessingJobName"] == names[0]
    oldest_first = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
    times = [item["CreationTime"] for item in oldest_first]
    assert times == sorted(times)
    found = sagemaker.list_processing_jobs(NameContains=names[1][-8:].upper())
    assert [item["ProcessingJobName"] for item in found["ProcessingJobSummaries"]] == [names[1]]
