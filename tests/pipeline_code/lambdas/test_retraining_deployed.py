"""Retraining as it is deployed: events, rules, the queue, the function, and a person's verbs."""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template
from typer.testing import CliRunner, Result

from lifecycle.lake.data_key import DataKey
from lifecycle.retraining.retraining import Retraining, RetrainingConfig
from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.errors import OperationError
from operations.monitoring import retraining as verbs
from operations.target import Target

from .conftest import connect
from .deployments import with_code
from .endpoint_stack import bare_stack
from .retraining import create_pipeline, executions, storm, violations

PATIENCE_SECONDS = 60
SIZE = 1000


@dataclass
class Deployed:
    """One environment's retraining, in a stack of its own."""

    name: str
    target: Target

    def send(self, events: list[dict[str, Any]]) -> None:
        """As monitors do: EventBridge gives each a new identity."""
        client = boto3.client("events")
        entries = [
            {
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
            }
            for event in events
        ]
        for first in range(0, len(entries), 10):
            assert client.put_events(Entries=entries[first : first + 10])["FailedEntryCount"] == 0

    def counted(self, metric: str, **dimensions: str) -> int:
        """What the function has counted so far."""
        now = datetime.now(UTC)
        found = boto3.client("cloudwatch").get_metric_statistics(
            Namespace=self.name,
            MetricName=metric,
            Dimensions=[
                {"Name": name, "Value": value}
                for name, value in {"EndpointName": self.name, **dimensions}.items()
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return round(sum(each["Sum"] for each in found))

    def eventually(self, what: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.2)
        raise AssertionError(f"{what}: {verbs.status(self.target)}")


@pytest.fixture(scope="module")
def deployed(embedded: EmbeddedAws, embedded_session: boto3.Session) -> Iterator[Deployed]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        connect(embedded, embedded_session, monkeypatch)
        yield deploy(embedded)


def deploy(embedded: EmbeddedAws) -> Deployed:
    """The real construct, and a pipeline that it may start."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    create_pipeline(name)
    stack = bare_stack(name)
    retraining = Retraining(
        stack,
        "Retraining",
        pipeline_name=name,
        raw_bucket=s3.Bucket.from_bucket_name(stack, "Raw", name),
        state_parameter_name=f"/{name}/state",
        endpoint_name=name,
        metric_namespace=name,
        quality_alarm=cloudwatch.Alarm(
            stack,
            "Quality",
            metric=cloudwatch.Metric(namespace=name, metric_name="Quality"),
            threshold=1,
            evaluation_periods=1,
        ),
        encryption_key=DataKey(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY).key,
        config=RetrainingConfig(),
    )
    trigger = retraining.trigger
    queues = {
        "RetrainingQueueUrl": trigger.queue,
        "RetrainingFailuresQueueUrl": trigger.dead_letter_queue,
        "RetrainingUndeliveredQueueUrl": trigger.undelivered_queue,
    }
    references = {key: stack.resolve(queue.queue_url)["Ref"] for key, queue in queues.items()}
    template = with_code(Template.from_stack(stack).to_json(), boto3.client("s3"), name)
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    target = Target("local", embedded.session(), embedded.environment())
    target.__dict__["outputs"] = {
        **{key: physical[reference] for key, reference in references.items()},
        "RetrainingStateParameterName": f"/{name}/state",
        "RetrainingFunctionName": name,
    }
    return Deployed(name, target)


def fraudloop(deployed: Deployed, *arguments: str) -> Result:
    """The command, as it finds this environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("operations.cli.parts.verbs.connect", lambda *_, **__: deployed.target)
        return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})


def test_drift_that_is_not_cured_is_an_alarm_until_a_person_resumes(deployed: Deployed) -> None:
    def ringing() -> list[str]:
        found = boto3.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        return [
            each["AlarmName"]
            for each in found
            if (each["Namespace"], each["MetricName"]) == (deployed.name, "UncuredDrifts")
        ]

    long_ago = datetime.now(UTC) - timedelta(days=60)
    starts = [(long_ago + timedelta(days=14 * number)).isoformat() for number in range(3)]
    state = dict.fromkeys(("pending", "last", "resumed", "answer")) | {
        "day": "",
        "count": 0,
        "series": {"data-quality": starts},
        "passed": {},
    }
    boto3.client("ssm").put_parameter(
        Name=f"/{deployed.name}/state", Value=json.dumps(state), Overwrite=True
    )
    deployed.send([violations(datetime.now(UTC))])
    deployed.eventually(lambda: deployed.counted("RetrainingsDeclined", Reason="uncured"))
    deployed.eventually(ringing)
    assert verbs.status(deployed.target)["uncured"] == {"data-quality": starts}
    shown = fraudloop(deployed, "retraining", "status")
    assert starts[0] in shown.output.replace("\n", "")
    answered = fraudloop(deployed, "retraining", "resume", "--reason", "mended", "--json", "-")
    answer = json.loads(answered.stdout)
    assert answer == {"outcome": "noted", "reason": "mended", "execution_arn": ""}
    deployed.eventually(lambda: not ringing())
    assert verbs.status(deployed.target)["uncured"] == {}
    assert executions(deployed.name) == []


def test_a_thousand_events_in_a_minute_start_one_and_a_person_another(deployed: Deployed) -> None:
    declined = deployed.counted("RetrainingsDeclined")
    deployed.send(storm(random.Random(3), SIZE))  # noqa: S311 - it has nothing to hide
    deployed.eventually(
        lambda: (
            deployed.counted("RetrainingsStarted") + deployed.counted("RetrainingsDeclined")
            == SIZE + declined
        )
    )
    (execution,) = executions(deployed.name)
    assert deployed.counted("RetrainingsStarted") == 1
    # All that the pipeline does is to fail.
    deployed.eventually(lambda: deployed.counted("RetrainingsFailed"))
    told = verbs.status(deployed.target)
    assert told["last"]["execution_arn"] == execution["PipelineExecutionArn"]
    assert told["waiting"] == {"": 0, "Failures": 0, "Undelivered": 0}
    assert list(told["uncured"].values()) == [[told["last"]["at"]]]

    asked = fraudloop(deployed, "retrain", "--reason", "a new kind of fraud", "--json", "-")
    answer = json.loads(asked.stdout)
    assert asked.exit_code == 0
    assert (answer["outcome"], answer["reason"]) == ("started", "manual: a new kind of fraud")
    assert answer["execution_arn"] in {
        each["PipelineExecutionArn"] for each in executions(deployed.name)
    }
    assert len(executions(deployed.name)) == 2
    assert verbs.status(deployed.target)["uncured"] == {}


def test_the_alarm_for_quality_is_an_event_too(deployed: Deployed) -> None:
    declined = deployed.counted("RetrainingsDeclined")
    boto3.client("cloudwatch").put_metric_data(
        Namespace=deployed.name, MetricData=[{"MetricName": "Quality", "Value": 2}]
    )
    # The person's retraining began just now.
    deployed.eventually(lambda: deployed.counted("RetrainingsDeclined") == declined + 1)
    assert deployed.counted("RetrainingEventsFailed") == 0


def test_a_request_that_is_declined_is_a_failure_of_the_command(deployed: Deployed) -> None:
    ssm, name = boto3.client("ssm"), f"/{deployed.name}/state"
    state = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    # Whatever is asked by now is of before it.
    state["last"]["at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    ssm.put_parameter(Name=name, Value=json.dumps(state), Overwrite=True)
    done = fraudloop(deployed, "retrain", "--reason", "at once")
    assert done.exit_code == 1
    assert "retraining was declined: the last retraining began after it" in done.stderr


@pytest.mark.parametrize("verb", [verbs.request, verbs.resume])
def test_a_blank_reason_is_refused(verb: Callable[..., Any], embedded: EmbeddedAws) -> None:
    target = Target("local", embedded.session(), embedded.environment())
    with pytest.raises(OperationError, match="reason must not be blank"):
        verb(target, reason=" \n")
