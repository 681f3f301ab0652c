"""Auto Scaling that acts, on an embedded AWS whose minutes last a second."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.sagemaker.load import load, single_requests
from tests.local_aws.sagemaker.serving import (
    Serving,
    production_variant,
    server_processes,
    serverless_variant,
    unique,
)

Eventually = Callable[..., Any]
DIMENSION = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAUDLOOP_SCALING_PERIOD_SECONDS", "1")
        patch.setenv("FRAUDLOOP_SERVERLESS_IDLE_SECONDS", "0.5")
        with EmbeddedAws(tmp_path_factory.mktemp("scaling") / "state", free_port()) as aws:
            yield aws


@pytest.fixture(scope="module")
def serving(aws: EmbeddedAws) -> Serving:
    session, clients = aws.session(), {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service)
        return clients[service]

    return Serving.make(client)


class Variant:
    """An endpoint's only variant, as Auto Scaling sees it."""

    def __init__(self, serving: Serving, endpoint: str, bounds: tuple[int, int]) -> None:
        self.serving, self.endpoint = serving, endpoint
        self.scaling = serving.client("application-autoscaling")
        self.named = {**DIMENSION, "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic"}
        self.bound(*bounds)

    def bound(self, low: int, high: int) -> None:
        self.scaling.register_scalable_target(**self.named, MinCapacity=low, MaxCapacity=high)

    def track(self, metric: str, target: float, **settings: Any) -> list[str]:
        answer = self.scaling.put_scaling_policy(
            **self.named,
            PolicyName=metric,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": target,
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
                **settings,
            },
        )
        return [alarm["AlarmName"] for alarm in answer["Alarms"]]

    def instances(self) -> int:
        described = self.serving.client("sagemaker").describe_endpoint(EndpointName=self.endpoint)
        (variant,) = described["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    def activities(self) -> list[dict[str, Any]]:
        """The newest first."""
        of = {k: v for k, v in self.named.items() if k != "ScalableDimension"}
        found: list[dict[str, Any]] = self.scaling.describe_scaling_activities(**of)[
            "ScalingActivities"
        ]
        return found


@pytest.fixture
def variant(serving: Serving) -> Iterator[Callable[..., Variant]]:
    made: list[Variant] = []

    def make(bounds: tuple[int, int], count: int = 1) -> Variant:
        endpoint = serving.endpoint(serving.config(serving.model(), count=count))
        made.append(Variant(serving, endpoint, bounds))
        return made[-1]

    yield make
    for each in made:
        each.scaling.deregister_scalable_target(**each.named)
        serving.client("sagemaker").delete_endpoint(EndpointName=each.endpoint)


# What a client sees of a server that is not there; none of the requests was answered otherwise.
_CUT_OFF = {
    "EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError", "ServiceUnavailable",
    "HTTPClientError",
}  # fmt: skip
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"


def test_capacity_follows_the_load_and_no_request_fails(
    serving: Serving, variant: Callable[..., Variant], eventually: Eventually
) -> None:
    scaled = variant((1, 3), count=3)
    with load(serving, scaled.endpoint, clients=2) as answers:
        high, low = scaled.track(INVOCATIONS, 600_000, ScaleInCooldown=0)
        time.sleep(12)  # of the 15 periods that the low alarm takes, of a second each here
        eventually(lambda: scaled.instances() == 1)
        # Both clients ask far more often than once a minute.
        assert scaled.track(INVOCATIONS, 1) == [high, low]
        eventually(lambda: scaled.instances() == 3)
        eventually(lambda: scaled.activities()[0]["StatusCode"] == "Successful")
    assert set(answers) == {"model"}
    out, in_ = scaled.activities()[:2]
    assert out["Description"] == "Setting desired instance count to 3."
    assert f"alarm {high} in state ALARM triggered policy {INVOCATIONS}" in out["Cause"]
    assert f"alarm {low} in state ALARM" in in_["Cause"]


def test_the_alarms_are_those_of_target_tracking(
    serving: Serving, variant: Callable[..., Variant]
) -> None:
    scaled = variant((1, 2))
    names = scaled.track(INVOCATIONS, 600)
    described = serving.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert {
        (a["ComparisonOperator"], a["EvaluationPeriods"], a["Threshold"]) for a in described
    } == {("GreaterThanThreshold", 3, 10.0), ("LessThanThreshold", 15, 9.0)}
    resource = scaled.named["ResourceId"]
    assert names[0].startswith(f"TargetTracking-{resource}-AlarmHigh-")
    assert scaled.track(INVOCATIONS, 600, DisableScaleIn=True) == names[:1]
    scaled.scaling.delete_scaling_policy(**scaled.named, PolicyName=INVOCATIONS)
    assert not serving.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]


def test_concurrency_adds_instances(
    serving: Serving, variant: Callable[..., Variant], eventually: Eventually
) -> None:
    scaled = variant((1, 2))
    scaled.track("SageMakerVariantConcurrentRequestsPerModelHighResolution", 1)
    with load(serving, scaled.endpoint, body=b"sleep 0.2", clients=4) as answers:
        eventually(lambda: scaled.instances() == 2)
    assert set(answers) == {"model"}


def test_a_scheduled_action_sets_the_floor(
    variant: Callable[..., Variant], eventually: Eventually
) -> None:
    scaled = variant((1, 3))
    soon = datetime.now(UTC) + timedelta(seconds=4)
    scaled.scaling.put_scheduled_action(
        **scaled.named,
        ScheduledActionName="morning",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 2},
    )
    eventually(lambda: scaled.instances() == 2)
    assert [a["Cause"] for a in scaled.activities()] == [
        "minimum capacity was set to 2",
        "scheduled action name morning was triggered",
    ]
    (target,) = scaled.scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[scaled.named["ResourceId"]]
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 3)


def test_a_serverless_variant_that_nobody_asks_has_no_server(
    aws: EmbeddedAws, serving: Serving, eventually: Eventually
) -> None:
    name, sagemaker = unique("config"), serving.client("sagemaker")
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[serverless_variant(serving.model())]
    )
    endpoint = serving.endpoint(name)
    for _ in range(2):
        assert serving.ask(endpoint)["name"] == "model"
        eventually(lambda: server_processes(aws, endpoint) == 0)
    sagemaker.delete_endpoint(EndpointName=endpoint)


def test_a_restart_keeps_capacity_schedules_and_shadows(
    aws: EmbeddedAws, serving: Serving, variant: Callable[..., Variant], eventually: Eventually
) -> None:
    scaled = variant((2, 3))
    eventually(lambda: scaled.instances() == 2)
    shadow = production_variant(serving.model("challenger"), VariantName="challenger")
    config = serving.config(serving.model("two"), ShadowProductionVariants=[shadow])
    sagemaker = serving.client("sagemaker")
    sagemaker.update_endpoint(
        EndpointName=scaled.endpoint, EndpointConfigName=config, RetainAllVariantProperties=True
    )
    serving.settled(scaled.endpoint)
    scaled.scaling.put_scheduled_action(
        **scaled.named,
        ScheduledActionName="later",
        Schedule="rate(1 minute)",
        StartTime=datetime.now(UTC) + timedelta(seconds=4),
        ScalableTargetAction={"MinCapacity": 3},
    )
    runtime = aws.session().client(
        "sagemaker-runtime", config=Config(retries={"total_max_attempts": 1})
    )
    with single_requests(serving, runtime, scaled.endpoint, clients=2) as requests:
        aws.stop()
        lost = len(requests.answered)
        aws.start()
        eventually(lambda: len(requests.answered) > lost + 10)
    assert requests.names == {"two"}
    assert requests.failed
    assert set(requests.failed.values()) <= _CUT_OFF
    described = serving.settled(scaled.endpoint)
    assert described["ShadowProductionVariants"][0]["VariantName"] == "challenger"
    eventually(lambda: scaled.instances() == 3)
    assert [a["Cause"] for a in scaled.activities()] == [
        "minimum capacity was set to 3",
        "scheduled action name later was triggered",
        "minimum capacity was set to 2",
    ]
