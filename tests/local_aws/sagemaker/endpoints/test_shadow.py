"""Shadow variants: their copies of requests, which nobody else may feel."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import (
    Serving,
    capture_config,
    metric,
    production_variant,
    unique,
)

Client = Callable[[str], Any]
Eventually = Callable[..., Any]


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


@pytest.fixture
def shadowed(client: Client, serving: Serving) -> Iterator[Callable[..., str]]:
    """shadowed(weight, ...): an endpoint whose challenger is told how to behave."""
    made: list[str] = []

    def make(weight: float, **environment: str) -> str:
        made.append(serving.endpoint(config(serving, weight, **environment)))
        return made[-1]

    yield make
    for endpoint in made:
        client("sagemaker").delete_endpoint(EndpointName=endpoint)


def config(serving: Serving, weight: float, **environment: str) -> str:
    challenger = production_variant(
        serving.model("challenger", **environment),
        VariantName="challenger",
        InitialVariantWeight=weight,
    )
    return serving.config(
        serving.model("champion"),
        ShadowProductionVariants=[challenger],
        DataCaptureConfig=capture_config(serving.bucket, "captures"),
    )


def named(line: dict[str, Any]) -> tuple[str, str]:
    """Who answered a captured request, and its inference id."""
    text = line["captureData"]["endpointOutput"]["data"]
    answer = json.loads(base64.b64decode(text))
    return answer["name"], line["eventMetadata"]["inferenceId"]


def test_a_shadow_answers_every_request_and_nobody_hears_it(
    client: Client, serving: Serving, shadowed: Callable[..., str], eventually: Eventually
) -> None:
    endpoint = shadowed(1.0)
    asked = [str(number) for number in range(20)]
    answers = [serving.ask(endpoint, InferenceId=number) for number in asked]
    assert {answer["name"] for answer in answers} == {"champion"}
    (described,) = client("sagemaker").describe_endpoint(EndpointName=endpoint)[
        "ShadowProductionVariants"
    ]
    assert (described["VariantName"], described["CurrentInstanceCount"]) == ("challenger", 1)
    prefix = f"captures/{endpoint}/challenger/"
    eventually(lambda: len(serving.captured(prefix)) == len(asked))
    assert sorted(map(named, serving.captured(prefix))) == sorted(("challenger", n) for n in asked)
    eventually(lambda: metric(client, "Invocations", endpoint, "challenger") == len(asked))


def test_a_shadow_gets_its_weights_share(
    client: Client, serving: Serving, shadowed: Callable[..., str], eventually: Eventually
) -> None:
    endpoint = shadowed(0.5)
    for _ in range(200):
        serving.invoke(endpoint)
    # Six standard deviations about the half.
    eventually(lambda: metric(client, "Invocations", endpoint, "challenger") >= 58)
    eventually(lambda: metric(client, "Invocations", endpoint, "AllTraffic") == 200)
    assert metric(client, "Invocations", endpoint, "challenger") <= 142


def test_a_broken_shadow_breaks_nothing(
    client: Client, serving: Serving, shadowed: Callable[..., str], eventually: Eventually
) -> None:
    endpoint = shadowed(1.0, STAND_IN_STATUS="500")
    assert {serving.ask(endpoint)["name"] for _ in range(10)} == {"champion"}
    eventually(lambda: metric(client, "Invocation5XXErrors", endpoint, "challenger") == 10)
    assert metric(client, "Invocation5XXErrors", endpoint, "AllTraffic") == 0


def test_a_slow_shadow_loses_what_it_cannot_keep_up_with(
    client: Client, serving: Serving, shadowed: Callable[..., str], eventually: Eventually
) -> None:
    endpoint = shadowed(1.0, STAND_IN_SLEEP="600")
    assert {serving.ask(endpoint)["name"] for _ in range(70)} == {"champion"}

    def dropped() -> float:
        settings = {"Namespace": "Local/SageMaker"}
        return metric(client, "ShadowRequestsDropped", endpoint, "challenger", **settings)

    eventually(lambda: dropped() == 70 - 64)
    assert metric(client, "Invocations", endpoint, "challenger") == 0


def test_an_update_takes_a_shadow_away(
    client: Client, serving: Serving, shadowed: Callable[..., str]
) -> None:
    endpoint = shadowed(1.0)
    plain = serving.config(serving.model("champion"))
    client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=plain)
    assert "ShadowProductionVariants" not in serving.settled(endpoint)
    assert serving.ask(endpoint)["name"] == "champion"


@pytest.mark.parametrize(
    ("production", "shadows", "reason"),
    [
        (["a", "b"], ["s"], "one variant beside one"),
        (["a"], ["s", "t"], "one variant beside one"),
        (["a"], ["a"], "unique names"),
    ],
)
def test_what_sagemaker_does_not_shadow_is_refused(
    client: Client, serving: Serving, production: list[str], shadows: list[str], reason: str
) -> None:
    model = serving.model()
    with pytest.raises(ClientError, match=reason):
        client("sagemaker").create_endpoint_config(
            EndpointConfigName=unique("config"),
            ProductionVariants=[production_variant(model, VariantName=n) for n in production],
            ShadowProductionVariants=[production_variant(model, VariantName=n) for n in shadows],
        )
