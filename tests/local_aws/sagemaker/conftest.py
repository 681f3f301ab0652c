"""Roles, buckets and tiny jobs for the tests of the local SageMaker."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local_aws.server import EmbeddedAws
from tests.local_aws.images import PULL

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop-local:test"
# An entry point: [*ENTRIES, "copy"].
ENTRIES = ["python", str(Path(__file__).with_name("entries.py"))]
CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
ENDED = {"Completed", "Failed", "Stopped", "Succeeded"}


@pytest.fixture(scope="session")
def make_role(client: Callable[[str], Any]) -> Callable[..., str]:
    """make_role(statement, ...): the ARN of a new role that SageMaker may use to pull images."""

    def make(*statements: dict[str, Any]) -> str:
        iam, name = client("iam"), f"role-{uuid.uuid4().hex[:8]}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Service": "sagemaker.amazonaws.com",
                        "AWS": "arn:aws:iam::000000000000:root",  # the tests assume it too
                    },
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        policy = {"Version": "2012-10-17", "Statement": [*PULL, *statements]}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    return make


@pytest.fixture
def assume(
    session: boto3.Session, client: Callable[[str], Any], make_role: Callable[..., str]
) -> Callable[..., Any]:
    """assume(statement, ...): a client of SageMaker that may pull images and do what these say."""

    def make(*statements: dict[str, Any], service: str = "sagemaker") -> Any:
        role = make_role(*statements)
        credentials = client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=client("sts").meta.endpoint_url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    return make


@pytest.fixture(scope="session")
def bucket(client: Callable[[str], Any]) -> str:
    name = f"data-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def job_role(make_role: Callable[..., str], bucket: str) -> str:
    """May log, read and write the bucket but for its folder `secret/`, and encrypt by any key."""
    return make_role(
        allow(LOGGING, "arn:aws:logs:*:*:log-group:/aws/sagemaker/*Jobs:*"),
        allow(["s3:*"], f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"),
        allow(["kms:Encrypt", "kms:GenerateDataKey"], "arn:aws:kms:*:*:key/*"),
        {**allow(["s3:GetObject"], f"arn:aws:s3:::{bucket}/secret/*"), "Effect": "Deny"},
    )


@pytest.fixture
def process(embedded_aws: EmbeddedAws) -> Callable[[str], psutil.Process | None]:
    """process(name): what a training job runs as, if it runs."""

    def find(name: str) -> psutil.Process | None:
        start = str(embedded_aws.state_dir / "ml" / f"training-{name}")
        for candidate in psutil.process_iter():
            try:
                if start in " ".join(candidate.cmdline()):
                    return candidate
            except psutil.Error:
                continue
        return None

    return find


@pytest.fixture
def train(client: Callable[[str], Any], bucket: str, job_role: str) -> Callable[..., Any]:
    """train(**changes): the description of a training job that has ended."""
    sagemaker, prefix = client("sagemaker"), unique("train")
    client("s3").put_object(Bucket=bucket, Key=f"{prefix}/a.csv", Body=b"1,2")

    def run(
        entry: str = "train",
        *,
        wait: bool = True,
        metrics: str = "loss=([0-9.]+);",
        **changes: Any,
    ) -> dict[str, Any]:
        name = unique("training")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{prefix}"}
        request = {
            "TrainingJobName": name,
            "RoleArn": job_role,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": [*ENTRIES, entry],
                "MetricDefinitions": [{"Name": "loss", "Regex": metrics}],
            },
            "HyperParameters": {"depth": "8"},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}},
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }
        sagemaker.create_training_job(**request)
        if not wait:
            return {"TrainingJobName": name}
        return wait_for(
            lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus"
        )

    return run


LOGGING = [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
]


def allow(actions: list[str], *resources: str) -> dict[str, Any]:
    """A policy statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def wait_for(
    describe: Callable[[], dict[str, Any]], member: str, ended: set[str] = ENDED
) -> dict[str, Any]:
    """Poll a description until its status says that it ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        description = describe()
        if description[member] in ended:
            return description
        time.sleep(0.05)
    raise AssertionError(f"still {describe()[member]} after a minute")


def fetch(client: Callable[[str], Any], uri: str) -> bytes:
    """The object at an address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.fixture(scope="session")
def pipeline_role(make_role: Callable[..., str], bucket: str, job_role: str) -> str:
    """What a pipeline needs: to run jobs, to pass their role, to read property files."""
    return make_role(
        allow(["sagemaker:*"], "*"),
        allow(["iam:PassRole"], job_role),
        allow(["s3:GetObject"], f"arn:aws:s3:::{bucket}/*"),
    )


@pytest.fixture
def pipeline(client: Callable[[str], Any], pipeline_role: str) -> Callable[..., str]:
    """pipeline(steps, ...): the name of a new pipeline."""

    def make(
        steps: list[dict[str, Any]], parameters: list[dict[str, Any]] | None = None, **more: Any
    ) -> str:
        name = unique("pipeline")
        client("sagemaker").create_pipeline(
            PipelineName=name,
            PipelineDefinition=definition(steps, parameters),
            ClientRequestToken=uuid.uuid4().hex,
            **{"RoleArn": pipeline_role, **more},
        )
        return name

    return make


@pytest.fixture
def execute(client: Callable[[str], Any]) -> Callable[..., dict[str, Any]]:
    """execute(pipeline, Name="value"): the description of an execution that has ended."""
    sagemaker = client("sagemaker")

    def run(name: str, **parameters: str) -> dict[str, Any]:
        arn = sagemaker.start_pipeline_execution(
            PipelineName=name,
            PipelineParameters=[{"Name": k, "Value": v} for k, v in parameters.items()],
        )["PipelineExecutionArn"]
        return end(sagemaker, arn)

    return run


def end(sagemaker: Any, arn: str) -> dict[str, Any]:
    return wait_for(
        lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn),
        "PipelineExecutionStatus",
    )


def definition(steps: list[dict[str, Any]], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters or [], "Steps": steps})


@pytest.fixture
def processing(bucket: str, job_role: str) -> Callable[..., dict[str, Any]]:
    """processing(name, *words): a step that runs an entry point of `entries`."""

    def make(name: str, *words: Any, **more: Any) -> dict[str, Any]:
        target = {
            "Std:Join": {
                "On": "/",
                "Values": [f"s3://{bucket}/runs", {"Get": "Execution.PipelineExecutionId"}, name],
            }
        }
        output = {
            "S3Uri": target,
            "LocalPath": "/opt/ml/processing/output/report",
            "S3UploadMode": "EndOfJob",
        }
        arguments = {
            "RoleArn": job_role,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ENTRIES,
                "ContainerArguments": list(words),
            },
            "ProcessingResources": {"ClusterConfig": CLUSTER},
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": output}]},
        }
        return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}

    return make


def report_file(name: str = "Report") -> dict[str, Any]:
    return {"PropertyFileName": name, "OutputName": "report", "FilePath": "report.json"}


def json_get(step: str, path: str) -> dict[str, Any]:
    source = {"Get": f"Steps.{step}.PropertyFiles.Report"}
    return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}


def steps_of(client: Callable[[str], Any], execution: dict[str, Any]) -> dict[str, Any]:
    answer = client("sagemaker").list_pipeline_execution_steps(
        PipelineExecutionArn=execution["PipelineExecutionArn"], SortOrder="Ascending"
    )
    return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}


def printed(embedded: EmbeddedAws, job: str) -> bool:
    """Whether a job's container has said anything; by then it heeds signals, if it ever does."""
    files = (embedded.state_dir / "logs").glob(f"*/{job}/*.log")
    return any(file.stat().st_size for file in files)
