"""Events of jobs, and rules whose target is a pipeline."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.conftest import allow_sending
from tests.local_aws.sagemaker.conftest import IMAGE, unique

CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}


@pytest.fixture
def queue(client: Callable[[str], Any]) -> tuple[str, Callable[[int], list[Any]]]:
    """A queue's ARN, and receive(n): the n events that reached it first."""
    queues, name = client("sqs"), unique("events")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    allow_sending(queues, url, "events.amazonaws.com")
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])

    def receive(count: int) -> list[Any]:
        found: list[Any] = []
        deadline = time.monotonic() + 20
        while len(found) < count and time.monotonic() < deadline:
            answer = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    return attributes["Attributes"]["QueueArn"], receive


@pytest.fixture
def rule(client: Callable[[str], Any]) -> Iterator[Callable[..., None]]:
    """rule(pattern, target): deliver what matches."""
    events, made = client("events"), []

    def make(pattern: dict[str, Any], target: dict[str, Any]) -> None:
        name = unique("rule")
        made.append(name)
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "target", **target}])

    yield make
    for name in made:
        events.remove_targets(Rule=name, Ids=["target"])
        events.delete_rule(Name=name)


def processing_job(name: str, role: str) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": role,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python", "-c", "0"]},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
    }


def test_processing_jobs_announce_their_states(
    client: Callable[[str], Any], job_role: str, queue: Any, rule: Any
) -> None:
    name = unique("job")
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Processing Job State Change"],
        "detail": {"ProcessingJobName": [name]},
    }
    rule(pattern, {"Arn": queue[0]})
    arn = client("sagemaker").create_processing_job(**processing_job(name, job_role))
    events = sorted(queue[1](2), key=lambda event: event["detail"]["LastModifiedTime"])
    statuses = [event["detail"]["ProcessingJobStatus"] for event in events]
    assert statuses == ["InProgress", "Completed"]
    assert events[1]["resources"] == [arn["ProcessingJobArn"]]
    detail = events[1]["detail"]
    assert detail["ProcessingEndTime"] >= detail["CreationTime"] > 1e12  # milliseconds
    assert detail["AppSpecification"]["ImageUri"] == IMAGE


def test_training_jobs_announce_their_secondary_states(
    client: Callable[[str], Any], job_role: str, bucket: str, queue: Any, rule: Any
) -> None:
    name = unique("training")
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {"TrainingJobName": [name]},
    }
    rule(pattern, {"Arn": queue[0]})
    client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=job_role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-c", "0"],
        },
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/events"},
        ResourceConfig=CLUSTER,
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    seen = {event["detail"]["SecondaryStatus"] for event in queue[1](5)}
    assert seen == {"Starting", "Downloading", "Training", "Uploading", "Completed"}
