"""Updates under constant load: which requests fail, who answers, and how often."""

import json
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_aws.server import EmbeddedAws
from tests.local_aws.sagemaker.load import Requests, single_requests
from tests.local_aws.sagemaker.serving import Serving, unique

Client = Callable[[str], Any]
CLIENTS = 3


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


@pytest.fixture(scope="module")
def runtime(session: boto3.Session) -> Any:
    return session.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))


class Fleet:
    """An endpoint of the stand-in whose servers note each request they get."""

    def __init__(self, serving: Serving, logs: Path, count: int) -> None:
        self.serving, self.logs, self.count = serving, logs, count
        self.name = serving.endpoint(serving.config(self.model("one"), count=count))

    def model(self, name: str, **environment: str) -> str:
        return self.serving.model(name, STAND_IN_RECORD="1", **environment)

    def update(self, model: str, deployment: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's description once the update has ended."""
        self.serving.client("sagemaker").update_endpoint(
            EndpointName=self.name,
            EndpointConfigName=self.serving.config(model, count=self.count),
            DeploymentConfig=deployment,
        )
        return self.serving.settled(self.name)

    def seen(self) -> Counter[str]:
        """How often servers got each request."""
        files = self.logs.glob(f"aws-sagemaker-Endpoints-{self.name}/**/*.log")
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        return Counter(words[1] for words in lines if words[:1] == ["asked"])


@pytest.fixture
def fleet(serving: Serving, embedded_aws: EmbeddedAws) -> Any:
    made: list[Fleet] = []

    def make(count: int) -> Fleet:
        made.append(Fleet(serving, embedded_aws.state_dir / "logs", count))
        return made[-1]

    yield make
    for each in made:
        serving.client("sagemaker").delete_endpoint(EndpointName=each.name)


def canary(instances: int, seconds: int, *alarms: str) -> dict[str, Any]:
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "INSTANCE_COUNT", "Value": instances},
        "WaitIntervalInSeconds": seconds,
    }
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def errors_alarm(client: Client, endpoint: str, missing: str = "notBreaching") -> str:
    name = unique("alarm")
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
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
        TreatMissingData=missing,
    )
    return name


def assert_each_is_seen_once(fleet: Fleet, requests: Requests) -> None:
    # Servers' output is read a little after their responses.
    deadline = time.monotonic() + 10
    while not requests.answered.keys() <= fleet.seen().keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    seen = fleet.seen()
    assert set(seen.values()) == {1}
    assert requests.answered.keys() <= seen.keys()
    assert not requests.answered.keys() & requests.failed.keys()


def test_a_good_version_takes_over_without_a_failure(
    client: Client, serving: Serving, runtime: Any, fleet: Callable[..., Fleet]
) -> None:
    ours = fleet(2)
    alarm = errors_alarm(client, ours.name)
    with single_requests(serving, runtime, ours.name, clients=CLIENTS) as requests:
        described = ours.update(ours.model("two"), canary(1, 1, alarm))
    assert "FailureReason" not in described
    assert requests.failed == {}
    assert requests.names == {"one", "two"}
    assert_each_is_seen_once(ours, requests)
    assert serving.ask(ours.name)["name"] == "two"


def test_the_role_must_see_the_alarms(
    client: Client, serving: Serving, fleet: Callable[..., Fleet]
) -> None:
    ours = fleet(2)
    alarm = errors_alarm(client, ours.name)
    seeing = {
        "Effect": "Deny",
        "Action": "cloudwatch:DescribeAlarms",
        "Resource": f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{alarm}",
    }
    client("iam").put_role_policy(
        RoleName=serving.role.rpartition("/")[2],
        PolicyName=alarm,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [seeing]}),
    )
    described = ours.update(ours.model("two"), canary(1, 1, alarm))
    assert "not authorized to perform: cloudwatch:DescribeAlarms" in described["FailureReason"]
    assert serving.ask(ours.name)["name"] == "one"


def test_every_stage_is_described_and_an_event(
    client: Client, fleet: Callable[..., Fleet], queue: Any, eventually: Callable[..., Any]
) -> None:
    ours, rule = fleet(2), unique("rule")
    queue.allow("events.amazonaws.com")
    pattern = {"detail-type": ["SageMaker Endpoint Deployment State Change"]}
    client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue.arn}])
    seen: dict[str, dict[str, Any]] = {}

    def all_seen() -> bool:
        for event in queue.take():
            detail = event["detail"]
            if detail["EndpointName"] == ours.name:
                (pending,) = detail["PendingDeploymentSummary"]["ProductionVariants"]
                seen[pending["VariantStatus"][0]["StatusMessage"]] = pending
        return len(seen) == 5

    alarm = errors_alarm(client, ours.name)
    described: list[str] = []
    update = threading.Thread(target=lambda: ours.update(ours.model("two"), canary(1, 2, alarm)))
    update.start()
    while update.is_alive():
        answer = client("sagemaker").describe_endpoint(EndpointName=ours.name)
        for pending in answer.get("PendingDeploymentSummary", {}).get("ProductionVariants", ()):
            described.append(pending["VariantStatus"][0]["StatusMessage"])
        time.sleep(0.1)
    eventually(all_seen)
    client("events").remove_targets(Rule=rule, Ids=["queue"])
    client("events").delete_rule(Name=rule)
    full = "full capacity of 2 instance(s)."
    bake = "seconds ({}) with traffic enabled on"
    canaried = f"Baking for 2 {bake.format('WaitIntervalInSeconds')} canary capacity of 1 "
    canaried += "instance(s)."
    assert seen.keys() == {
        "Launching 2 instance(s).",
        "Activating traffic on canary capacity of 1 instance(s).",
        canaried,
        f"Activating traffic on {full}",
        f"Baking for 0 {bake.format('TerminationWaitInSeconds')} {full}",
    }
    assert (seen[canaried]["CurrentInstanceCount"], seen[canaried]["DesiredInstanceCount"]) == (
        1,
        2,
    )
    assert canaried in described


def test_a_broken_version_breaks_its_canarys_share_and_goes(
    client: Client, serving: Serving, runtime: Any, fleet: Callable[..., Fleet]
) -> None:
    ours = fleet(4)
    alarm = errors_alarm(client, ours.name)
    with single_requests(serving, runtime, ours.name, clients=CLIENTS) as requests:
        described = ours.update(ours.model("two", STAND_IN_STATUS="500"), canary(1, 60, alarm))
    assert described["EndpointStatus"] == "InService"
    assert f"alarms are in ALARM state: {alarm}" in described["FailureReason"]
    assert set(requests.failed.values()) == {"ModelError"}
    assert requests.names == {"one"}
    assert_each_is_seen_once(ours, requests)
    asked = len(requests.answered) + len(requests.failed)
    # A quarter, and six standard deviations of what chance adds to it.
    assert len(requests.failed) <= asked / 4 + 6 * math.sqrt(asked * 3 / 16)
    assert {serving.ask(ours.name)["name"] for _ in range(8)} == {"one"}


@pytest.mark.parametrize("exists", [True, False])
def test_an_alarm_that_fires_already_or_is_missing_keeps_the_old_version(
    client: Client, serving: Serving, fleet: Callable[..., Fleet], exists: bool
) -> None:
    ours = fleet(2)
    alarm = errors_alarm(client, ours.name, "breaching") if exists else unique("alarm")
    described = ours.update(ours.model("two"), canary(1, 60, alarm))
    reason = "alarms are in ALARM state" if exists else "alarms do not exist"
    assert f"{reason}: {alarm}" in described["FailureReason"]
    assert {serving.ask(ours.name)["name"] for _ in range(8)} == {"one"}


def test_only_requests_under_way_are_lost_with_a_server(
    serving: Serving, runtime: Any, fleet: Callable[..., Fleet], eventually: Callable[..., Any]
) -> None:
    ours = fleet(2)
    victim = serving.ask(ours.name, InferenceId="first")["pid"]
    body = b"sleep 0.05"
    with single_requests(serving, runtime, ours.name, body=body, clients=CLIENTS) as requests:
        eventually(lambda: len(requests.answered) > 10)
        os.kill(victim, signal.SIGKILL)
        after = len(requests.answered)
        eventually(lambda: len(requests.answered) > after + 20)
    assert set(requests.failed.values()) <= {"ServiceUnavailable"}
    assert len(requests.failed) <= CLIENTS
    assert_each_is_seen_once(ours, requests)
