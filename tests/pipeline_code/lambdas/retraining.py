"""What the retraining function works with, on an embedded AWS: pipeline, state, queue, faults."""

import io
import json
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from retrain import handler as retrain
from urllib3 import HTTPResponse

from operations.target import Target

from .conftest import Invocation

# A step that ends at once: what it came to is not the function's business.
STEPS = [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "stopped"}}]
PARAMETERS = ("TriggerReason", "TriggerEvidence", "DataVersion")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
RECEIVES = 8
COOL_DOWN = timedelta(hours=1)


def violations(
    end: datetime, *, monitor: str = "data-quality", event_id: str | None = None
) -> dict[str, Any]:
    """A monitor's event about an interval that ended then."""
    identifier = event_id or str(uuid.uuid4())
    return {
        "id": identifier,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "source": "fraudloop.monitor",
        "detail-type": "Monitoring Violations Found",
        "detail": {
            "monitor_kind": monitor,
            "model_version": "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraud/3",
            "violations": 2,
            "violations_uri": f"s3://artifacts/{identifier}/constraint_violations.json",
            "features": ["amount_minor"],
            "end_time": end.isoformat(),
        },
    }


def storm(draw: random.Random, size: int) -> list[dict[str, Any]]:
    """A minute's events of the same drift, each up to three times, in any order."""
    now = datetime.now(UTC)
    events: list[dict[str, Any]] = []
    while len(events) < size:
        end = now + timedelta(minutes=draw.uniform(-90, 30))
        monitor = draw.choice(["data-quality", "model-quality", "bias"])
        events += [violations(end, monitor=monitor)] * draw.choice([1, 1, 2, 3])
    draw.shuffle(events)
    return events[:size]


def create_pipeline(name: str) -> None:
    """A pipeline that takes what the function gives it."""
    role = boto3.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    parameters = [{"Name": name, "Type": "String", "DefaultValue": "none"} for name in PARAMETERS]
    definition = {"Version": "2020-12-01", "Parameters": parameters, "Steps": STEPS}
    boto3.client("sagemaker").create_pipeline(
        PipelineName=name,
        RoleArn=role["Role"]["Arn"],
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken=uuid.uuid4().hex,
    )
    boto3.client("s3").create_bucket(Bucket=name)
    boto3.client("s3").put_object(Bucket=name, Key="transactions/part.parquet", Body=b"1")


def executions(pipeline: str) -> list[dict[str, Any]]:
    """What was started, with its parameters."""
    sagemaker = boto3.client("sagemaker")
    found = sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
    for each in found:
        given = sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=each["PipelineExecutionArn"]
        )["PipelineParameters"]
        each["parameters"] = {parameter["Name"]: parameter["Value"] for parameter in given}
    return list(found)


@dataclass
class Faults:
    """Has a share of some operations' calls fail, at random: before they take effect or after.

    A call that is `silent` took effect, and its answer never came; one that is `blind` is answered
    with a list of nothing.
    """

    draw: random.Random
    share: float = 0.5
    kinds: Sequence[str] = ("refused", "before", "after", "silent")
    limit: int | None = None
    count: int = 0

    @contextmanager
    def of(self, *operations: str) -> Iterator[None]:
        """For clients that are made from now on."""
        session = boto3._get_default_session()
        for name in operations:
            session.events.register(f"before-send.{name}", self._send)
        yield
        for name in operations:
            session.events.unregister(f"before-send.{name}", self._send)

    def _send(self, request: Any, **_: Any) -> AWSResponse | None:
        if self.count == self.limit or self.draw.random() >= self.share:
            return None
        self.count += 1
        how = self.draw.choice(self.kinds)
        if how in ("after", "silent"):
            URLLib3Session().send(request)
        if how == "silent":
            raise ReadTimeoutError(endpoint_url=request.url)
        if how == "blind":
            return _answer(request, 200, {"PipelineExecutionSummaries": []})
        if how == "refused":
            return _answer(request, 400, {"__type": "ThrottlingException", "message": "slow down"})
        return _answer(request, 500, {"__type": "InternalFailure", "message": "told to fail"})


def _answer(request: Any, status: int, body: dict[str, Any]) -> AWSResponse:
    raw = HTTPResponse(io.BytesIO(json.dumps(body).encode()), status=status, preload_content=False)
    return AWSResponse(request.url, status, {}, raw)


@dataclass
class Queued:
    """The function in this process, between a real queue, its dead letters and a pipeline."""

    monkeypatch: pytest.MonkeyPatch
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        create_pipeline(self.name)
        boto3.client("ssm").put_parameter(Name=self.name, Value="none", Type="String")
        self.sqs = boto3.client("sqs")
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.dead = self._create(f"{self.name}-dead.fifo", fifo)
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])
        given_up = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": RECEIVES,
        }
        self.url = self._create(
            f"{self.name}.fifo", {**fifo, "RedrivePolicy": json.dumps(given_up)}
        )
        self.configure()
        # One fault is one failed call: botocore would try again, and take its time.
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        for module in ("pipeline", "state", "handler"):
            self.monkeypatch.setattr(f"retrain.{module}.CONFIG", once)
        self.monkeypatch.setattr("retrain.outcomes.print", self._hear, raising=False)

    def configure(self, **changes: str) -> None:
        """The function's environment variables."""
        values = {
            "QUEUE_URL": self.url,
            "PIPELINE_NAME": self.name,
            "RAW_BUCKET": self.name,
            "STATE_PARAMETER": self.name,
            "ENDPOINT_NAME": "fraud",
            "METRIC_NAMESPACE": self.name,
            "RETRY_SECONDS": "0",
            "KINDS": "data-quality model-quality",
            "COOL_DOWN_SECONDS": str(int(COOL_DOWN.total_seconds())),
            "FAILED_COOL_DOWN_SECONDS": "1800",
            "DAILY_BUDGET": "2",
            "UNCURED_LIMIT": "3",
        }
        for name, value in {**values, **changes}.items():
            self.monkeypatch.setenv(name, value)

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        """Duplicates, too: the queue knows them for five minutes only."""
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(event),
                "MessageGroupId": "all",
                "MessageDeduplicationId": uuid.uuid4().hex,
            }
            for number, event in enumerate(events)
        ]
        for first in range(0, len(entries), 10):
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries[first : first + 10])

    def run(self) -> None:
        """Work the queue off, as Lambda does."""
        while messages := self._receive(self.url):
            records = [
                {
                    "messageId": each["MessageId"],
                    "receiptHandle": each["ReceiptHandle"],
                    "body": each["Body"],
                    "attributes": each["Attributes"],
                }
                for each in messages
            ]
            answer = retrain.handler({"Records": records}, Invocation())
            again = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            done = [each for each in records if each["messageId"] not in again]
            if done:
                self.sqs.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": each["messageId"], "ReceiptHandle": each["receiptHandle"]}
                        for each in done
                    ],
                )

    def handle(self, *events: dict[str, Any]) -> dict[str, Any]:
        """Send events, work them off, and return what became of the last one."""
        self.send(events)
        self.run()
        return self.said[-1]

    def at_rest(self, event: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What becomes of such an event once no execution runs."""
        for _ in range(200):
            if (said := self.handle(event())).get("Reason") not in ("running", "stale"):
                return said
        raise AssertionError(f"an execution runs for ever: {said}")

    def outcomes(self, *wanted: str) -> list[dict[str, Any]]:
        """What became of events, in order."""
        return [each for each in self.said if each.get("outcome") in wanted]

    def dead_letters(self) -> int:
        names = ["ApproximateNumberOfMessages"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=names)
        return int(found["Attributes"][names[0]])

    def state(self) -> dict[str, Any]:
        value = boto3.client("ssm").get_parameter(Name=self.name)["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def target(self, target: Target) -> Target:
        """The environment for `fraudloop redrive`; of others, nothing has failed."""
        empty = self._create(f"{self.name}-empty", {})
        names = ["CustomerFailures", "TerminalFailures", "DeploymentFailures"]
        names += ["DeploymentUndelivered", "RetrainingUndelivered"]
        outputs = dict.fromkeys((f"{name}QueueUrl" for name in names), empty)
        outputs |= {"RetrainingQueueUrl": self.url, "RetrainingFailuresQueueUrl": self.dead}
        target.__dict__["outputs"] = {
            **outputs,
            "RetrainingStateParameterName": self.name,
            "RetrainingFunctionName": self.name,
        }
        return target

    def _create(self, name: str, attributes: dict[str, str]) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _receive(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])
        return found

    def _hear(self, line: str) -> None:
        self.said.append(json.loads(line))
