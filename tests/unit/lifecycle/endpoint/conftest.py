"""An endpoint as configured here, and its template."""

from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.config import EndpointConfig, ServerConfig
from lifecycle.endpoint.endpoint import SelfDeployingEndpoint
from lifecycle.endpoint.health import HealthConfig, ScoreLimits
from lifecycle.endpoint.rollout import Canary, RolloutConfig
from lifecycle.endpoint.scaling import ScalingConfig
from lifecycle.image.container_image import ContainerImage
from lifecycle.registry.spelled_package import schema_version

CONFIG = EndpointConfig(
    instance_type="ml.c6i.xlarge",
    scaling=ScalingConfig(
        min_instances=3,
        max_instances=7,
        invocations_per_minute=1234,
        concurrent_requests=5.5,
        scale_in_seconds=11,
        scale_out_seconds=12,
    ),
    rollout=RolloutConfig(
        strategy=Canary(percent=34, wait_seconds=21), old_fleet_seconds=22, timeout_seconds=623
    ),
    health=HealthConfig(
        max_failed_percent=2,
        max_latency_milliseconds=75,
        max_slowdown=1.5,
        max_degraded_percent=7,
        scores=ScoreLimits(
            min_answers=33,
            max_flagged_percent=12,
            max_flagged_ratio=4,
            min_mean=0.01,
            max_mean=0.4,
        ),
    ),
    server=ServerConfig(workers=3, store_budget_milliseconds=44, state_cache_seconds=0.5),
)


# The ARN in the approved package's parameter.
APPROVED = {
    "Fn::Select": [
        0,
        {"Fn::Split": ["|", {"Fn::Join": ["", [{"Ref": "Package"}, "|||||"]]}]},
    ]
}


Synthesize = Callable[[EndpointConfig], Template]


@pytest.fixture(scope="module")
def synthesize(new_stack: Callable[[], cdk.Stack]) -> Synthesize:
    """The template of an endpoint of that configuration."""

    def template_of(config: EndpointConfig) -> Template:
        stack = new_stack()
        key = kms.Key(stack, "Key")
        package, challenger = (
            cdk.CfnParameter(stack, name, default="none") for name in ("Package", "Challenger")
        )
        SelfDeployingEndpoint(
            stack,
            "Endpoint",
            endpoint_name="fraudloop-test-fraud",
            approved_package=package.value_as_string,
            challenger=challenger.value_as_string if config.shadow else None,
            environment=lambda package: {
                "CUSTOMER_FEATURE_GROUP": f"customers-{schema_version(package)}"
            },
            metric_namespace="fraudloop/test",
            image=ContainerImage(
                stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
            ),
            artifacts_bucket=s3.Bucket(stack, "Artifacts"),
            captures_bucket=s3.Bucket(stack, "Captures"),
            encryption_key=key,
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=config,
        )
        return Template.from_stack(stack)

    return template_of


@pytest.fixture(scope="module")
def template(synthesize: Synthesize) -> Template:
    return synthesize(CONFIG)


def only(template: Template, kind: str) -> tuple[str, dict[str, Any]]:
    ((logical_id, body),) = template.find_resources(kind).items()
    return logical_id, dict(body)


def properties(template: Template, kind: str) -> dict[str, Any]:
    return dict(only(template, kind)[1]["Properties"])


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """Each alarm by its construct's id."""
    found = template.find_resources("AWS::CloudWatch::Alarm")
    return {name[len("EndpointAlarms") : -8]: body["Properties"] for name, body in found.items()}


def evaluated(value: Any, parameters: Mapping[str, str]) -> Any:
    """What CloudFormation makes of an expression or a condition."""
    if isinstance(value, list):
        return [evaluated(each, parameters) for each in value]
    if not isinstance(value, dict):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return parameters[argument]
    found = evaluated(argument, parameters)
    functions: dict[str, Callable[[], Any]] = {
        "Fn::And": lambda: all(found),
        "Fn::Not": lambda: not found[0],
        "Fn::Equals": lambda: found[0] == found[1],
        "Fn::Join": lambda: found[0].join(found[1]),
        "Fn::Select": lambda: found[1][int(found[0])],
        "Fn::Split": lambda: found[1].split(found[0]),
    }
    return functions[function]()
