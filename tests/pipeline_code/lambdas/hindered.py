"""A serving stack in small whose deployments may be kept from going on: alarms, capacity, time."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from botocore.exceptions import ClientError

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.alarms import EndpointAlarms
from lifecycle.endpoint.health import HealthConfig
from lifecycle.registry.spelled_package import part

from .deployments import Deployments

VARIANT = "model"
_Endpoint = sagemaker.CfnEndpoint


@dataclass
class Hindered(Deployments):
    """With the endpoint's own alarms, and pauses of seconds where they are of minutes.

    Args:
        watch_seconds: How long a new version is watched once it has all traffic.
        timeout_seconds: Of an invocation of the function; 20 of them are kept in reserve.
    """

    watch_seconds: int = 0
    timeout_seconds: int = 900

    def _define_more(self, stack: cdk.Stack, approved: str, key: cdk.aws_kms.IKey) -> None:
        alarms = EndpointAlarms(
            stack,
            "Alarms",
            endpoint_name=self.name,
            variant_name=VARIANT,
            model_version=part(approved, "model_package"),
            metric_namespace=self.name,
            condition=cast(cdk.CfnCondition, stack.node.find_child("HasModel")),
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=HealthConfig(),
        )
        role = cast(cdk.aws_iam.Role, stack.node.find_child("ModelRole"))
        role.add_to_policy(
            cdk.aws_iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"])
        )
        endpoint = cast(_Endpoint, stack.node.find_child("Endpoint"))
        endpoint.node.add_dependency(alarms)
        endpoint.deployment_config = _Endpoint.DeploymentConfigProperty(
            auto_rollback_configuration=_Endpoint.AutoRollbackConfigProperty(
                alarms=[_Endpoint.AlarmProperty(alarm_name=name) for name in alarms.names]
            ),
            blue_green_update_policy=_Endpoint.BlueGreenUpdatePolicyProperty(
                termination_wait_in_seconds=self.watch_seconds,
                traffic_routing_configuration=_Endpoint.TrafficRoutingConfigProperty(
                    type="ALL_AT_ONCE", wait_interval_in_seconds=0
                ),
            ),
        )

    def _template(self) -> Any:
        template = super()._template()
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                properties = resource["Properties"]
                properties["Timeout"] = self.timeout_seconds
                properties["Environment"]["Variables"]["FIRST_PAUSE_SECONDS"] = "1"
        return template

    # What happens.

    def tick(self) -> None:
        """An event of any kind, as one comes every quarter of an hour."""
        self.challenge("none")

    def ticking(self, what: Callable[[], Any]) -> Any:
        """Wait for something while time goes on."""

        def there() -> Any:
            self.tick()
            self.eventually(lambda: self.waiting() == 0)
            return what()

        return self.eventually(there)

    def fail_requests(self, count: int = 8) -> None:
        """Have whoever serves fail requests."""
        runtime = self.session.client("sagemaker-runtime")
        for _ in range(count):
            try:
                runtime.invoke_endpoint(EndpointName=self.name, Body=b"break")
            except ClientError as error:
                assert "ModelError" in str(error)

    def tell_failures(self, package: str) -> None:
        """Have a version say that it fails requests, as the server's log does."""
        dimensions = [
            {"Name": "EndpointName", "Value": self.name},
            {"Name": "ModelVersion", "Value": package},
        ]
        self.session.client("cloudwatch").put_metric_data(
            Namespace=self.name,
            MetricData=[
                {"MetricName": name, "Dimensions": dimensions, "Value": value}
                for name, value in (("FailedAnswers", 9.0), ("Requests", 10.0))
            ],
        )

    def is_on(self, alarm: str, package: str) -> bool:
        """Whether a version's alarm is in ALARM."""
        name = f"{self.name}-{alarm}-{package.rpartition('/')[2]}"
        found = self.session.client("cloudwatch").describe_alarms(AlarmNames=[name])
        return [each["StateValue"] for each in found["MetricAlarms"]] == ["ALARM"]

    def is_answering(self, package: str) -> bool:
        """Whether a version that is being deployed has the traffic."""
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.name)
        pending = endpoint.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        return self.state()["model_package"] == package and any(
            status["Status"] == "Baking"
            for variant in pending
            for status in variant["VariantStatus"]
        )

    def history(self, package: str) -> list[dict[str, Any]]:
        """What the state parameter has said of a package, without repetitions."""
        pages = self.ssm.get_paginator("get_parameter_history").paginate(
            Name=self.parameter("state")
        )
        values = [each["Value"] for page in pages for each in page["Parameters"]]
        found = [json.loads(value) for value in values if value != "none"]
        return [each for each in found if each["model_package"] == package]

    def resource(self, logical_id: str) -> str | None:
        """What a resource of the stack is called; None while it is not there."""
        found = self.cloudformation.describe_stack_resources(StackName=self.name)
        return next(
            (
                each["PhysicalResourceId"]
                for each in found["StackResources"]
                if each["LogicalResourceId"] == logical_id
            ),
            None,
        )

    def said(self, words: str) -> int:
        """How often the function's log has some words."""
        function = self.resource_like("DeploymentDeployerHandler", "AWS::Lambda::Function")
        logs = self.session.client("logs")
        group = self.session.client("lambda").get_function_configuration(FunctionName=function)[
            "LoggingConfig"
        ]["LogGroup"]
        found = logs.filter_log_events(logGroupName=group, filterPattern=f'"{words}"')
        return len(found["events"])

    def resource_like(self, start: str, kind: str) -> str:
        """The one resource of a type whose logical ID begins so."""
        found = self.cloudformation.describe_stack_resources(StackName=self.name)
        (name,) = (
            each["PhysicalResourceId"]
            for each in found["StackResources"]
            if each["ResourceType"] == kind and each["LogicalResourceId"].startswith(start)
        )
        return str(name)

    def failures(self) -> float:
        """The count of deployments that an operator has to look at."""
        found = self.session.client("cloudwatch").get_metric_statistics(
            Namespace=self.name,
            MetricName="FailedDeployments",
            Dimensions=[{"Name": "EndpointName", "Value": self.name}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 3600,
            Period=7200,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])
