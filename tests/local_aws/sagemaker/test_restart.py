"""What a restart of the embedded AWS leaves of jobs and executions: resources stay, work fails."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.images import make_repositories
from tests.local_aws.sagemaker.conftest import ENTRIES, IMAGE, wait_for
from tests.local_aws.sagemaker.serving import TRUST

ROLE = "arn:aws:iam::000000000000:role/worker"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path / "state", free_port()) as aws:
        yield aws


def make_worker(session: boto3.Session) -> None:
    """The role that may do everything, and the images' repositories."""
    make_repositories(session.client)
    iam, statement = session.client("iam"), {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="worker", PolicyName="all", PolicyDocument=policy)


def sleeper() -> dict[str, Any]:
    return {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": [*ENTRIES, "sleep"]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
    }


def processes(server: EmbeddedAws) -> list[psutil.Process]:
    """The jobs' processes of a server."""
    root = str(server.state_dir / "ml")
    found = []
    for process in psutil.process_iter():
        try:
            if root in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until_there_are(count: int, server: EmbeddedAws) -> None:
    deadline = time.monotonic() + 30
    while len(processes(server)) < count:
        assert time.monotonic() < deadline, "the jobs have no processes"
        time.sleep(0.05)


def test_a_tuning_job_fails_with_the_server(server: EmbeddedAws) -> None:
    session = server.session()
    sagemaker = session.client("sagemaker")
    make_worker(session)
    x = {"Name": "x", "MinValue": "0", "MaxValue": "1"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="slow",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"ContinuousParameterRanges": [x]},
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": '"score": ([0-9.]+)'}],
            },
            "StaticHyperParameters": {"epochs": "1000", "pause": "0.5"},
            "RoleArn": ROLE,
            "Environment": {"PYTHONPATH": str(Path(__file__).parent / "stand_in_training")},
            "OutputDataConfig": {"S3OutputPath": "s3://tuned/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    )
    wait_until_there_are(2, server)
    server.stop()
    assert processes(server) == []
    server.start()
    again = server.session().client("sagemaker")
    job = again.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="slow")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "the embedded AWS stopped while the job ran" in job["FailureReason"]
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert job["TrainingJobStatusCounters"]["InProgress"] == 0
    assert len(again.list_training_jobs()["TrainingJobSummaries"]) == 2


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_work_fails_and_resources_stay(server: EmbeddedAws, kill: bool) -> None:
    session = server.session()
    sagemaker = session.client("sagemaker")
    make_worker(session)
    sagemaker.create_pipeline(
        PipelineName="sleep",
        RoleArn=ROLE,
        ClientRequestToken=uuid.uuid4().hex,
        PipelineDefinition=json.dumps(
            {
                "Version": "2020-12-01",
                "Steps": [{"Name": "Sleep", "Type": "Processing", "Arguments": sleeper()}],
            }
        ),
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="sleep")["PipelineExecutionArn"]
    wait_until_there_are(1, server)
    if kill:
        process = psutil.Process(server.connection()["pid"])
        process.kill()
        process.wait(10)
    else:
        server.stop()
        assert processes(server) == []
    server.start()
    assert processes(server) == []

    again = server.session().client("sagemaker")
    execution = again.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "the embedded AWS stopped while the execution ran" in execution["FailureReason"]
    (job,) = again.list_processing_jobs()["ProcessingJobSummaries"]
    assert job["ProcessingJobStatus"] == "Failed"
    assert "the embedded AWS stopped while the job ran" in job["FailureReason"]
    (step,) = again.list_pipeline_execution_steps(PipelineExecutionArn=arn)[
        "PipelineExecutionSteps"
    ]
    assert step["StepStatus"] == "Failed"
    if not kill:  # a killed server loses the roles it had not saved yet
        again.retry_pipeline_execution(PipelineExecutionArn=arn)
        again.stop_pipeline_execution(PipelineExecutionArn=arn)
        ended = wait_for(
            lambda: again.describe_pipeline_execution(PipelineExecutionArn=arn),
            "PipelineExecutionStatus",
        )
        assert ended["PipelineExecutionStatus"] == "Stopped"
