"""The endpoint's construct, deployed: what CloudFormation and SageMaker make of its template."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.endpoint import SelfDeployingEndpoint
from lifecycle.endpoint.rollout import Linear, RolloutConfig
from lifecycle.endpoint.scaling import ScalingConfig, ScheduledFloor
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.image.container_image import ContainerImage
from lifecycle.lake.data_key import DataKey
from pipeline_code.contracts.packages import NO_MODEL, package_of, spelled, variables_of
from tests.local_aws.images import PULL
from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, archive, unique

Client = Callable[[str], Any]
FLAGS = json.loads((Path(__file__).parents[4] / "cdk.json").read_text())["context"]


class NoRepository:
    """The embedded AWS asks whether a role may pull, and runs a stand-in's folder all the same."""

    def grant_pull(self, role: iam.IRole) -> None:
        for statement in PULL:
            role.add_to_principal_policy(iam.PolicyStatement.from_json(statement))


class Deployed:
    """A stack with nothing but the endpoint, and a group of packages for it."""

    def __init__(self, client: Client, config: EndpointConfig) -> None:
        self.name = unique("construct")
        self._client = client
        self._config = config
        client("s3").create_bucket(Bucket=self.name)
        client("s3").put_object(
            Bucket=self.name, Key="models/model.tar.gz", Body=archive(weights=b"1")
        )
        client("sagemaker").create_model_package_group(ModelPackageGroupName=self.name)

    def register(self, status: str) -> dict[str, Any]:
        sagemaker = self._client("sagemaker")
        container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{self.name}/models/model.tar.gz",
            "Environment": {"REVIEW_THRESHOLD": "0.25", "PYTHONPATH": "/nowhere"},
        }
        arn = sagemaker.create_model_package(
            ModelPackageGroupName=self.name,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        package: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=arn)
        return package

    def deploy(self, *, approved: str, challenger: str = NO_MODEL) -> None:
        """Create or update the stack, to its end."""
        cloudformation = self._client("cloudformation")
        values = {"Approved": approved, "Challenger": challenger}
        arguments = {
            "StackName": self.name,
            "TemplateBody": json.dumps(self._template()),
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in values.items()
            ],
        }
        try:
            cloudformation.create_stack(**arguments)
            kind = "create"
        except cloudformation.exceptions.AlreadyExistsException:
            cloudformation.update_stack(**arguments)
            kind = "update"
        cloudformation.get_waiter(f"stack_{kind}_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )

    def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client("sagemaker").describe_endpoint(EndpointName=self.name)
        return found

    def config(self) -> dict[str, Any]:
        name = self.endpoint()["EndpointConfigName"]
        found: dict[str, Any] = self._client("sagemaker").describe_endpoint_config(
            EndpointConfigName=name
        )
        return found

    def container(self, variants: str) -> dict[str, Any]:
        """What the only variant of a kind runs."""
        (variant,) = self.config()[variants]
        model = self._client("sagemaker").describe_model(ModelName=variant["ModelName"])
        container: dict[str, Any] = model["PrimaryContainer"]
        return container

    def ask(self) -> dict[str, Any]:
        answer = self._client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.name, ContentType="application/json", Body=b"{}"
        )
        body: dict[str, Any] = json.loads(answer["Body"].read())
        return body

    def delete(self) -> None:
        self._client("cloudformation").delete_stack(StackName=self.name)

    def _template(self) -> dict[str, Any]:
        stack = cdk.Stack(
            cdk.App(context=FLAGS),
            "Stack",
            stack_name=self.name,
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        key = DataKey(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY).key
        bucket = s3.Bucket.from_bucket_name(stack, "Bucket", self.name)
        approved, challenger = (
            cdk.CfnParameter(stack, name).value_as_string for name in ("Approved", "Challenger")
        )
        SelfDeployingEndpoint(
            stack,
            "Endpoint",
            endpoint_name=self.name,
            approved_package=approved,
            challenger=challenger if self._config.shadow else None,
            environment=lambda _package: {"PYTHONPATH": str(STAND_IN)},
            metric_namespace=self.name,
            image=cast(ContainerImage, NoRepository()),
            artifacts_bucket=bucket,
            captures_bucket=bucket,
            encryption_key=key,
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=self._config,
        )
        return dict(Template.from_stack(stack).to_json())


@pytest.fixture
def deployed(client: Client) -> Iterator[Callable[[EndpointConfig], Deployed]]:
    """deployed(config): a stack that does not exist yet, and is deleted in the end."""
    made: list[Deployed] = []

    def make(config: EndpointConfig) -> Deployed:
        made.append(Deployed(client, config))
        return made[-1]

    yield make
    for each in made:
        each.delete()


def test_a_fleet_scales_by_the_clock_and_shifts_step_by_step_with_a_challenger(
    client: Client,
    deployed: Callable[[EndpointConfig], Deployed],
    eventually: Callable[..., Any],
) -> None:
    floor = ScheduledFloor(name="day", schedule="cron(0 6 * * ? *)", min_instances=2)
    stack = deployed(
        EndpointConfig(
            rollout=RolloutConfig(
                strategy=Linear(step_percent=50, wait_seconds=0), old_fleet_seconds=0
            ),
            scaling=ScalingConfig(max_instances=3, floors=[floor]),
            shadow=ShadowConfig(percent=50),
        )
    )
    champion, challenger = stack.register("Approved"), stack.register("PendingManualApproval")
    stack.deploy(approved=NO_MODEL)
    assert client("sagemaker").list_endpoints(NameContains=stack.name)["Endpoints"] == []

    stack.deploy(approved=spelled(champion))
    assert "ShadowProductionVariants" not in stack.config()
    assert stack.container("ProductionVariants")["ModelPackageName"] == champion["ModelPackageArn"]
    scaling = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{stack.name}/variant/primary",
    }
    autoscaling = client("application-autoscaling")
    (action,) = autoscaling.describe_scheduled_actions(**scaling)["ScheduledActions"]
    assert (action["Schedule"], action["Timezone"]) == (floor.schedule, "UTC")
    policies = autoscaling.describe_scaling_policies(**scaling)["ScalingPolicies"]
    assert len(policies) == 2

    stack.deploy(approved=spelled(champion), challenger=spelled(challenger))
    container = stack.container("ShadowProductionVariants")
    told = container["Environment"]
    assert told["MODEL_PACKAGE_ARN"] == package_of(spelled(challenger))
    assert variables_of(told["MODEL_PACKAGE"]) == {"REVIEW_THRESHOLD": "0.25"}
    assert (container["Image"], "ModelPackageName" in container) == (IMAGE, False)
    deployment = stack.endpoint()["LastDeploymentConfig"]
    routing = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["LinearStepSize"] == {"Type": "CAPACITY_PERCENT", "Value": 50}
    alarms = {alarm["AlarmName"] for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]}
    known = client("cloudwatch").describe_alarms(AlarmNames=sorted(alarms))["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in known} == alarms
    assert stack.ask()["name"] == "model"
    logs = client("logs")
    group = f"/aws/sagemaker/Endpoints/{stack.name}"
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["retentionInDays"] == 90
    assert described["kmsKeyId"]
    eventually(
        lambda: (
            {"primary", "challenger"}
            == {
                stream["logStreamName"].partition("/")[0]
                for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]
            }
        )
    )


def test_a_serverless_endpoint_answers_without_instances(
    deployed: Callable[[EndpointConfig], Deployed],
) -> None:
    stack = deployed(EndpointConfig(serverless=ServerlessConfig(memory_mb=1024, max_concurrency=2)))
    stack.deploy(approved=stack.register("Approved")["ModelPackageArn"])
    (variant,) = stack.config()["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    assert "DataCaptureConfig" not in stack.config()
    told = stack.ask()
    assert (told["name"], told["region"]) == ("model", "us-east-1")
    stack.deploy(approved=stack.register("Approved")["ModelPackageArn"])
    assert stack.ask()["name"] == "model"
