"""An endpoint without instances."""

import pytest
from aws_cdk.assertions import Template

from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.serverless import ServerlessConfig

from .conftest import Synthesize, alarms, properties


@pytest.fixture(scope="module")
def serverless(synthesize: Synthesize) -> Template:
    config = ServerlessConfig(memory_mb=3072, max_concurrency=7, provisioned_concurrency=2)
    return synthesize(EndpointConfig(serverless=config))


def test_serverless_has_no_instances_and_nothing_that_needs_them(serverless: Template) -> None:
    config = properties(serverless, "AWS::SageMaker::EndpointConfig")
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {
        "MemorySizeInMB": 3072,
        "MaxConcurrency": 7,
        "ProvisionedConcurrency": 2,
    }
    assert not {"InstanceType", "InitialInstanceCount"} & set(variant)
    assert not {"DataCaptureConfig", "KmsKeyId", "ShadowProductionVariants"} & set(config)
    endpoint = properties(serverless, "AWS::SageMaker::Endpoint")
    assert set(endpoint) == {"EndpointName", "EndpointConfigName"}
    serverless.resource_count_is("AWS::ApplicationAutoScaling::ScalableTarget", 0)


def test_serverless_is_watched_all_the_same(serverless: Template) -> None:
    assert {"Errors", "Latency", "FailedAnswers", "Degraded"} <= set(alarms(serverless))
