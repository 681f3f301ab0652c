"""Failed analyses, run again by the deployed rule and function."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from hypothesis import given
from hypothesis import strategies as st
from retry_analysis.handler import next_name

from lifecycle.lake.data_key import DataKey
from lifecycle.monitoring.analysis_retry import RETRIES, AnalysisRetry
from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.images import PULL, make_repositories
from tests.local_aws.sagemaker.serving import IMAGE, TRUST

from .deployments import with_code
from .endpoint_stack import bare_stack

PATIENCE_SECONDS = 60
ENDED = frozenset({"Completed", "Failed", "Stopped"})
JOB = Path(__file__).parent / "stand_in" / "fail.py"

NAMES = st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,62}", fullmatch=True).filter(
    lambda name: next_name(name, 1) == f"{name[:60]}-r1"
)


@given(NAMES, st.integers(0, 3))
def test_a_job_is_repeated_so_often_under_names_of_its_own(name: str, retries: int) -> None:
    names = [name]
    while (repeated := next_name(names[-1], retries)) is not None:
        names.append(repeated)
    assert names[1:] == [f"{name[:60]}-r{number + 1}" for number in range(retries)]
    assert all(len(each) <= 63 for each in names)


@dataclass
class Deployed:
    """The rule and the function in a stack of their own."""

    session: boto3.Session
    name: str
    role_arn: str = ""

    def make_role(self, name: str) -> str:
        """The ARN of a new role of jobs, which may pull their image."""
        client = self.session.client("iam")
        role = client.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        policy = json.dumps({"Version": "2012-10-17", "Statement": PULL})
        client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        return str(role["Role"]["Arn"])

    def make(self) -> None:
        make_repositories(self.session.client)
        self.role_arn = self.make_role(self.name)
        stack = bare_stack(self.name)
        AnalysisRetry(
            stack,
            "Retry",
            endpoint_name=self.name,
            metric_namespace=self.name,
            roles=[iam.Role.from_role_arn(stack, "Analyzer", self.role_arn)],
            encryption_key=DataKey(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY).key,
        )
        s3 = self.session.client("s3")
        s3.create_bucket(Bucket=self.name)
        template = with_code(Template.from_stack(stack).to_json(), s3, self.name)
        cloudformation = self.session.client("cloudformation")
        cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )

    def analyze(self, *, kind: str | None, healed_by: str, role_arn: str | None = None) -> str:
        """Start a job as an engine does; its name."""
        name = f"pipelines-{uuid.uuid4().hex[:12]}-Analyze"
        told = {} if kind is None else {"MONITOR_KIND": kind}
        self.session.client("sagemaker").create_processing_job(
            ProcessingJobName=name,
            RoleArn=role_arn or self.role_arn,
            AppSpecification={
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python", str(JOB)],
            },
            Environment={"HEALED_BY": healed_by, **told},
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        return name

    def runs(self, name: str) -> dict[str, str]:
        """What became of a job and of its repetitions."""
        found = self.session.client("sagemaker").list_processing_jobs(NameContains=name)
        return {
            each["ProcessingJobName"].removeprefix(name): each["ProcessingJobStatus"]
            for each in found["ProcessingJobSummaries"]
        }

    def given_up(self, **dimensions: str) -> int:
        now = datetime.now(UTC)
        points = self.session.client("cloudwatch").get_metric_statistics(
            Namespace=self.name,
            MetricName="AnalysesFailed",
            Dimensions=[
                {"Name": name, "Value": value}
                for name, value in {"EndpointName": self.name, **dimensions}.items()
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return round(sum(point["Sum"] for point in points))


def eventually(what: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(what)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        made = Deployed(aws.session(), f"test-{uuid.uuid4().hex[:8]}")
        made.make()
        yield made


@pytest.mark.parametrize(("kind", "monitor"), [("bias", "bias"), (None, "labels")])
def test_an_analysis_that_goes_on_failing_is_given_up_and_counted(
    deployed: Deployed, kind: str | None, monitor: str
) -> None:
    before = deployed.given_up()
    name = deployed.analyze(kind=kind, healed_by="-never")
    eventually(lambda: deployed.given_up(Monitor=monitor) == 1)
    suffixes = ["", *(f"-r{number + 1}" for number in range(RETRIES))]
    assert deployed.runs(name) == dict.fromkeys(suffixes, "Failed")
    assert deployed.given_up() == before + 1
    sagemaker = deployed.session.client("sagemaker")
    first, last = (
        sagemaker.describe_processing_job(ProcessingJobName=f"{name}{suffix}")
        for suffix in (suffixes[0], suffixes[-1])
    )
    for member in ("AppSpecification", "Environment", "ProcessingResources", "StoppingCondition"):
        assert last[member] == first[member]


def test_an_analysis_that_heals_is_repeated_until_then_and_no_failure(deployed: Deployed) -> None:
    before = deployed.given_up()
    name = deployed.analyze(kind="attribution", healed_by="-r1")
    eventually(lambda: deployed.runs(name) == {"": "Failed", "-r1": "Completed"})
    assert deployed.given_up() == before


def test_jobs_of_others_are_left_alone(deployed: Deployed) -> None:
    other = deployed.make_role(f"{deployed.name}-other")
    name = deployed.analyze(kind="bias", healed_by="-never", role_arn=other)
    eventually(lambda: set(deployed.runs(name).values()) <= ENDED)
    # Whatever comes later has been handled later: events of one bus are delivered in order.
    ours = deployed.analyze(kind="attribution", healed_by="-r1")
    eventually(lambda: "-r1" in deployed.runs(ours))
    assert deployed.runs(name) == {"": "Failed"}


def test_an_event_that_comes_twice_starts_one_job(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retry_analysis.handler import handler  # noqa: PLC0415

    name = deployed.analyze(kind="attribution", healed_by="-r1")
    eventually(lambda: deployed.runs(name) == {"": "Failed", "-r1": "Completed"})
    monkeypatch.setattr(boto3, "client", deployed.session.client)
    for variable in ("ENDPOINT_NAME", "METRIC_NAMESPACE"):
        monkeypatch.setenv(variable, deployed.name)
    monkeypatch.setenv("RETRIES", str(RETRIES))
    assert handler({"detail": {"ProcessingJobName": name}}, None) == {"started": f"{name}-r1"}
    assert deployed.runs(name) == {"": "Failed", "-r1": "Completed"}
