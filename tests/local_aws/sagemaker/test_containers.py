"""What a job's container is, where the kernel lets it be one, and where it does not."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local_aws.containers import confinement
from local_aws.sagemaker.endpoints.servers import DEFAULT_STARTUP_SECONDS, GRACE_SECONDS
from local_aws.sagemaker.jobs.run import Run
from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.images import make_repositories
from tests.local_aws.sagemaker.conftest import ENTRIES, IMAGE, unique

OWN = {"PATH", "LANG", "HOME", "PYTHONUNBUFFERED", "PYTHONPATH", "OMP_WAIT_POLICY", "TOLD"}
IDENTITY = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_ENDPOINT_URL",
}
ROLE = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@pytest.fixture(scope="module", params=["confined", "plain"])
def kind(request: pytest.FixtureRequest) -> str:
    reason = confinement.refusal()
    if request.param == "confined" and reason is not None:
        pytest.skip(f"NOT CHECKED: containers are plain processes here: {reason}")
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with pytest.MonkeyPatch.context() as patch:
        if kind == "plain":
            patch.setenv("FRAUDLOOP_PLAIN_CONTAINERS", "1")
        patch.delenv("FRAUDLOOP_SHARED_FOLDERS", raising=False)
        patch.setenv("SECRET_OF_THE_SERVER", "leaks")
        with EmbeddedAws(tmp_path_factory.mktemp(kind) / "state", free_port()) as aws:
            iam = aws.session().client("iam")
            iam.create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps(ROLE))
            iam.put_role_policy(RoleName="job", PolicyName="all", PolicyDocument=json.dumps(ALL))
            aws.session().client("s3").create_bucket(Bucket="data")
            make_repositories(aws.session().client)
            yield aws


def start(session: boto3.Session, *words: str, **settings: Any) -> str:
    """A processing job of `entries.py`, its output going to `s3://data/<its name>/`."""
    name = unique("job")
    output = {
        "OutputName": "report",
        "S3Output": {
            "S3Uri": f"s3://data/{name}",
            "LocalPath": "/opt/ml/processing/output/report",
            "S3UploadMode": "EndOfJob",
        },
    }
    session.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn="arn:aws:iam::000000000000:role/job",
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": [*ENTRIES, *words]},
        ProcessingOutputConfig={"Outputs": [output]},
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
        Environment={"TOLD": "yes"},
        **settings,
    )
    return name


def status(session: boto3.Session, name: str) -> str:
    job = session.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    return str(job["ProcessingJobStatus"])


@pytest.fixture
def looked(server: EmbeddedAws, eventually: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """looked(**settings): what a job saw."""

    def look(**settings: Any) -> dict[str, Any]:
        session = server.session()
        name = start(session, "look", str(server.state_dir), **settings)
        eventually(lambda: status(session, name) not in ("InProgress", "Stopping"))
        found = session.client("s3").get_object(Bucket="data", Key=f"{name}/report.json")
        return dict(json.loads(found["Body"].read()))

    return look


def test_a_container_is_told_what_is_documented_and_sees_the_image_alone(
    kind: str, server: EmbeddedAws, looked: Callable[..., dict[str, Any]]
) -> None:
    seen = looked()
    plainly = {"NUMBA_CACHE_DIR", "SAGEMAKER_BASE_DIR", "TMPDIR"}
    added = set() if kind == "confined" else plainly
    assert set(seen["environment"]) - {"LC_CTYPE"} == OWN | IDENTITY | added
    assert seen["network"] == "arn:aws:sts::000000000000:assumed-role/job/SageMaker"
    assert seen["ml"] == ["config", "output", "processing"]
    if kind == "confined":
        assert (seen["pid"], seen["user"], seen["root"]) == (1, 0, "/opt/ml")
        assert seen["state"] is False
        assert "Read-only file system" in seen["program"]
        assert seen["private"] == "None"
        assert "ModuleNotFoundError" in seen["project"]
        assert seen["image"] == "/opt/program/pipeline_code/common/paths.py"
    else:
        assert seen["root"] == seen["environment"]["SAGEMAKER_BASE_DIR"]
        assert seen["root"].startswith(f"{server.state_dir}/ml/")
    log = (server.state_dir / "logs" / "server.log").read_text()
    said = "containers are plain processes" if kind == "plain" else "containers are confined"
    assert said in log


def test_network_isolation_leaves_no_network(
    kind: str, looked: Callable[..., dict[str, Any]]
) -> None:
    seen = looked(NetworkConfig={"EnableNetworkIsolation": True})
    assert not IDENTITY & set(seen["environment"])
    assert "NoCredentialsError" in seen["network"]


def test_sigterm_without_a_handler_is_lost_on_process_1(
    kind: str, server: EmbeddedAws, eventually: Callable[..., Any]
) -> None:
    session = server.session()
    name = start(session, "ignore")
    eventually(lambda: status(session, name) == "InProgress" and _log(server, name))
    session.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    if kind == "plain":  # any other process ends by it
        eventually(lambda: status(session, name) == "Stopped")
        return
    running = _supervisor(name)
    # It is still there when the next one, which heeds the signal, has been stopped.
    heeding = start(session, "sleep")
    eventually(lambda: _log(server, heeding))
    session.client("sagemaker").stop_processing_job(ProcessingJobName=heeding)
    eventually(lambda: status(session, heeding) == "Stopped")
    assert status(session, name) == "Stopping"
    child = running.children()[0]
    running.send_signal(signal.SIGKILL)  # what starts it takes it along
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_times_are_those_of_the_documents() -> None:
    assert Run(None, None, print).grace_seconds == 120  # type: ignore[arg-type]
    assert (GRACE_SECONDS, DEFAULT_STARTUP_SECONDS) == (30, 480)


def _log(server: EmbeddedAws, job: str) -> str:
    files = (server.state_dir / "logs" / "aws-sagemaker-ProcessingJobs" / job).glob("*.log")
    return "".join(Path(file).read_text() for file in files)


def _supervisor(job: str) -> psutil.Process:
    for process in psutil.process_iter():
        try:
            if f"processing-{job}" in " ".join(process.cmdline()):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"{job} does not run")
