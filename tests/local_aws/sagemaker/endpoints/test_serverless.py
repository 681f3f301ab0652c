"""Serverless endpoints: cold starts, concurrency, and what they cannot have."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws
from tests.local_aws.sagemaker.serving import (
    Serving,
    capture_config,
    metric,
    production_variant,
    server_processes,
    serverless_variant,
    unique,
)

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


def config(client: Client, *variants: dict[str, Any], **settings: Any) -> str:
    name = unique("config")
    client("sagemaker").create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=list(variants), **settings
    )
    return name


@pytest.fixture
def endpoint(client: Client, serving: Serving) -> Iterator[str]:
    name = serving.endpoint(config(client, serverless_variant(serving.model("one"))))
    yield name
    client("sagemaker").delete_endpoint(EndpointName=name)


def test_the_first_request_starts_the_server(
    client: Client,
    serving: Serving,
    endpoint: str,
    embedded_aws: EmbeddedAws,
    eventually: Callable[..., Any],
) -> None:
    assert server_processes(embedded_aws, endpoint) == 0
    assert serving.ask(endpoint)["name"] == "one"
    assert server_processes(embedded_aws, endpoint) == 1
    (variant,) = client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    assert "CurrentInstanceCount" not in variant
    with pytest.raises(ClientError, match="must be for instances"):
        client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
        )
    eventually(lambda: metric(client, "Invocations", endpoint, "AllTraffic") == 1)


def test_more_requests_than_it_takes_are_throttled(
    client: Client, session: boto3.Session, serving: Serving, eventually: Callable[..., Any]
) -> None:
    endpoint = serving.endpoint(config(client, serverless_variant(serving.model("one"), 2)))
    runtime = session.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))

    def ask(body: bytes = b"hello") -> str:
        try:
            return str(serving.ask(endpoint, body, runtime=runtime)["name"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    def sleep_through() -> str:
        # The requests that look whether it is full take a place too, and may have the last one.
        while (answer := ask(b"sleep 50")) == "ThrottlingException":
            continue
        return answer

    assert ask() == "one"
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(sleep_through) for _ in range(2)]
        eventually(lambda: ask() == "ThrottlingException")
        client("sagemaker").delete_endpoint(EndpointName=endpoint)
    assert [future.result() for future in slow] == ["ServiceUnavailable"] * 2


def test_a_model_that_does_not_start_fails_the_endpoint(client: Client, serving: Serving) -> None:
    name = unique("endpoint")
    broken = config(client, serverless_variant(serving.model("crash")))
    client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=broken)
    assert "no such model" in serving.settled(name)["FailureReason"]


def test_what_a_serverless_variant_cannot_have_is_refused(client: Client, serving: Serving) -> None:
    model = serving.model()
    variant = serverless_variant(model)
    with pytest.raises(ClientError, match="DataCaptureConfig must not be enabled"):
        config(client, variant, DataCaptureConfig=capture_config(serving.bucket, "none"))
    with pytest.raises(ClientError, match="must be the only one"):
        config(client, variant, production_variant(model, VariantName="other"))
    with pytest.raises(ClientError, match="instances or a ServerlessConfig, got both"):
        config(client, {**variant, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1})


def test_an_endpoint_of_instances_does_not_become_serverless_variant(
    client: Client, serving: Serving
) -> None:
    model = serving.model()
    name = serving.endpoint(serving.config(model))
    with pytest.raises(ClientError, match="must stay one"):
        client("sagemaker").update_endpoint(
            EndpointName=name, EndpointConfigName=config(client, serverless_variant(model))
        )
    client("sagemaker").delete_endpoint(EndpointName=name)
