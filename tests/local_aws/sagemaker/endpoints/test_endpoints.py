"""Endpoints, made and asked by real clients; a stand-in takes the place of the model's server."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import allow_sending
from tests.local_aws.sagemaker.load import load
from tests.local_aws.sagemaker.serving import Serving, unique

from .conftest import Client

CANARY: dict[str, Any] = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 30},
            "WaitIntervalInSeconds": 2,
        },
    },
}


def test_an_endpoint_serves_its_model(client: Client, serving: Serving, endpoint: str) -> None:
    answer = serving.invoke(endpoint, InferenceId="7", CustomAttributes="x=1")
    assert (
        json.loads(answer["Body"].read()).items()
        >= {
            "name": "one",
            "bytes": 5,
            "files": ["weights"],
            "inference_id": "7",
        }.items()
    )
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "saw x=1"
    described = client("sagemaker").describe_endpoint(EndpointName=endpoint)
    (variant,) = described["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "status", "original"),
    [(b"refuse", 400, '{"error": "no"}'), (b"break", 500, "broken")],
)
def test_an_error_of_the_model_is_told(
    serving: Serving, endpoint: str, body: bytes, status: int, original: str
) -> None:
    with pytest.raises(ClientError, match="from primary") as refusal:
        serving.invoke(endpoint, body)
    assert refusal.value.response["Error"]["Code"] == "ModelError"
    assert refusal.value.response["OriginalStatusCode"] == status
    assert refusal.value.response["OriginalMessage"] == original
    assert serving.ask(endpoint)["name"] == "one"


def test_an_unknown_endpoint_is_refused(serving: Serving) -> None:
    with pytest.raises(ClientError, match="not found") as refusal:
        serving.invoke("nobody")
    assert refusal.value.response["Error"]["Code"] == "ValidationError"


def test_a_server_that_does_not_start_fails_the_endpoint(client: Client, serving: Serving) -> None:
    name = unique("endpoint")
    config = serving.config(serving.model("crash"))
    client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    described = serving.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "no such model" in described["FailureReason"]
    with pytest.raises(ClientError, match="is not in service"):
        serving.invoke(name)


def test_model_data_that_the_role_cannot_read_fails_the_endpoint(
    client: Client, serving: Serving
) -> None:
    name = unique("endpoint")
    client("s3").put_object(Bucket=serving.bucket, Key="going.tar.gz", Body=b"1")
    config = serving.config(serving.model(key="going.tar.gz"))
    client("s3").delete_object(Bucket=serving.bucket, Key="going.tar.gz")
    client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert "Could not access model data" in serving.settled(name)["FailureReason"]


def test_every_change_of_state_is_an_event(client: Client, serving: Serving) -> None:
    queue, rule, sqs = unique("queue"), unique("rule"), client("sqs")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    allow_sending(sqs, url, "events.amazonaws.com")
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Endpoint State Change"]}
    client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    endpoint = serving.endpoint(serving.config(serving.model("one")))
    client("sagemaker").delete_endpoint(EndpointName=endpoint)
    seen: list[str] = []
    deadline = time.monotonic() + 30
    while "DELETING" not in seen and time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        details = [json.loads(item["Body"])["detail"] for item in messages.get("Messages", [])]
        seen += [d["EndpointStatus"] for d in details if d["EndpointName"] == endpoint]
    client("events").remove_targets(Rule=rule, Ids=["queue"])
    client("events").delete_rule(Name=rule)
    assert sorted(seen) == ["CREATING", "DELETING", "IN_SERVICE"]


def test_the_servers_output_is_in_cloudwatch_logs(
    client: Client, serving: Serving, endpoint: str
) -> None:
    group = {"logGroupName": f"/aws/sagemaker/Endpoints/{endpoint}"}
    lines: list[str] = []
    deadline = time.monotonic() + 30
    while not lines and time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            (stream,) = client("logs").describe_log_streams(**group)["logStreams"]
        except (ClientError, ValueError):
            continue
        name = stream["logStreamName"]
        events = client("logs").get_log_events(**group, logStreamName=name)["events"]
        lines = [event["message"] for event in events]
    assert lines == ["serving"]
    assert name.startswith("AllTraffic/")


def test_metrics_in_the_servers_output_reach_cloudwatch(
    client: Client, serving: Serving, endpoint: str, eventually: Callable[..., Any]
) -> None:
    names = [["EndpointName"], ["EndpointName", "ModelVersion"]]
    directive = {"Namespace": endpoint, "Dimensions": names, "Metrics": [{"Name": "Score"}]}
    document = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "EndpointName": endpoint,
        "ModelVersion": "arn:7",
        "Score": [0.25, 0.75],
    }
    serving.invoke(endpoint, f"print {json.dumps(document)}".encode())

    def average(**dimensions: str) -> float | None:
        points = client("cloudwatch").get_metric_statistics(
            Namespace=endpoint,
            MetricName="Score",
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=60,
            Statistics=["Average"],
        )["Datapoints"]
        return points[0]["Average"] if points else None

    assert eventually(lambda: average(EndpointName=endpoint)) == 0.5
    assert average(EndpointName=endpoint, ModelVersion="arn:7") == 0.5


def update(client: Client, serving: Serving, endpoint: str, model: str, **settings: Any) -> None:
    client("sagemaker").update_endpoint(
        EndpointName=endpoint, EndpointConfigName=serving.config(model), **settings
    )


def test_an_update_fails_no_request(client: Client, serving: Serving, endpoint: str) -> None:
    with load(serving, endpoint) as answers:
        update(client, serving, endpoint, serving.model("two"))
        described = serving.settled(endpoint)
        time.sleep(0.3)
    assert described["EndpointStatus"] == "InService"
    assert "FailureReason" not in described
    assert set(answers) == {"one", "two"}
    assert serving.ask(endpoint)["name"] == "two"


def test_an_update_to_a_broken_model_leaves_the_old_one(
    client: Client, serving: Serving, endpoint: str
) -> None:
    before = client("sagemaker").describe_endpoint(EndpointName=endpoint)
    with load(serving, endpoint) as answers:
        update(client, serving, endpoint, serving.model("crash"))
        described = serving.settled(endpoint)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == before["EndpointConfigName"]
    assert "no such model" in described["FailureReason"]
    assert set(answers) == {"one"}


def test_a_canary_gets_its_share_first(client: Client, serving: Serving, endpoint: str) -> None:
    shares = []
    update(client, serving, endpoint, serving.model("two"), DeploymentConfig=CANARY)
    while (described := client("sagemaker").describe_endpoint(EndpointName=endpoint))[
        "EndpointStatus"
    ] == "Updating":
        shares.append(Counter(serving.ask(endpoint)["name"] for _ in range(40))["two"])
    assert described["EndpointStatus"] == "InService"
    assert any(0 < share < 40 for share in shares)
    assert serving.ask(endpoint)["name"] == "two"


def test_an_alarm_rolls_back(client: Client, serving: Serving, endpoint: str) -> None:
    alarm = unique("alarm")
    client("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    rollback = {**CANARY, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}}
    rollback["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 20
    before = client("sagemaker").describe_endpoint(EndpointName=endpoint)
    broken = serving.model("two", STAND_IN_STATUS="500")
    with load(serving, endpoint) as answers:
        update(client, serving, endpoint, broken, DeploymentConfig=rollback)
        described = serving.settled(endpoint)
        answers.clear()
        time.sleep(0.5)
    assert alarm in described["FailureReason"]
    assert described["EndpointConfigName"] == before["EndpointConfigName"]
    assert set(answers) == {"one"}


def test_a_server_that_ends_is_started_again(serving: Serving, endpoint: str) -> None:
    first = serving.ask(endpoint)["pid"]
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if serving.ask(endpoint)["pid"] != first:
                return
        except ClientError:
            time.sleep(0.1)
    pytest.fail("no server came back")


def test_a_fleet_survives_the_loss_of_a_server(client: Client, serving: Serving) -> None:
    endpoint = serving.endpoint(serving.config(serving.model("one"), count=2))
    victim = serving.ask(endpoint)["pid"]
    with load(serving, endpoint) as answers:
        os.kill(victim, signal.SIGKILL)
        time.sleep(1.0)
    assert set(answers) == {"one"}
    client("sagemaker").delete_endpoint(EndpointName=endpoint)


def test_capacity_is_changed(client: Client, serving: Serving, endpoint: str) -> None:
    for count in (2, 1):
        client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[
                {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
            ],
        )
        (variant,) = serving.settled(endpoint)["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == count


def test_two_updates_at_once_are_refused(client: Client, serving: Serving, endpoint: str) -> None:
    update(client, serving, endpoint, serving.model("two"))
    with pytest.raises(ClientError, match="in-progress"):
        update(client, serving, endpoint, serving.model("three"))
    serving.settled(endpoint)


def test_names_are_taken_once(client: Client, serving: Serving, endpoint: str) -> None:
    sagemaker = client("sagemaker")
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    with pytest.raises(ClientError, match="already existing endpoint "):
        sagemaker.create_endpoint(
            EndpointName=endpoint, EndpointConfigName=described["EndpointConfigName"]
        )


def test_an_endpoint_needs_a_configuration(client: Client) -> None:
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client("sagemaker").create_endpoint(EndpointName="x", EndpointConfigName="nothing")


def test_an_image_that_the_models_role_cannot_pull_fails_the_endpoint(
    client: Client, serving: Serving
) -> None:
    repository = unique("other-fraudloop")
    uri = client("ecr").create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    model = unique("model")
    client("sagemaker").create_model(
        ModelName=model,
        ExecutionRoleArn=serving.role,
        PrimaryContainer={
            "Image": f"{uri}:1",
            "ModelDataUrl": f"s3://{serving.bucket}/model.tar.gz",
        },
    )
    name = unique("endpoint")
    client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=serving.config(model))
    settled = serving.settled(name)
    assert settled["EndpointStatus"] == "Failed"
    assert (
        f"The role '{serving.role}' does not have BatchGetImage permission for the image: "
        f"'{uri}:1'" in settled["FailureReason"]
    )
    client("sagemaker").delete_endpoint(EndpointName=name)
