"""A serving stack in small on an embedded AWS: the real function, a stand-in's endpoint."""

import io
import json
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import boto3
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.deployment.model_deployment import ModelDeployment, PackageContract
from lifecycle.functions.lambda_function import ship
from lifecycle.lake.data_key import DataKey
from pipeline_code.contracts.packages import DIGEST, package_of, spelled
from tests.local_aws.images import make_repositories
from tests.local_aws.sagemaker.serving import archive

from .endpoint_stack import bare_stack, define_endpoint

LAMBDAS = Path(__file__).parents[3] / "pipeline_code" / "lambdas"
REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop"
RECORDED = {"feature_schema_version": "v2", "capture_contract": "1"}
PINNED = {"REVIEW_THRESHOLD": "0.25", "DECLINE_THRESHOLD": "none", DIGEST: "0d" * 32}
FILES = ("statistics", "constraints")
# Where the registry has each kind's baseline; it has no place for the statistics of the last two.
BASELINES = {
    "data-quality": (
        "ModelDataQuality",
        {"Statistics": "statistics", "Constraints": "constraints"},
    ),
    "model-quality": ("ModelQuality", {"Statistics": "statistics", "Constraints": "constraints"}),
    "bias": ("Bias", {"PostTrainingConstraints": "constraints"}),
    "attribution": ("Explainability", {"Constraints": "constraints"}),
}
PATIENCE_SECONDS = 30


@dataclass
class Deployments:
    """One environment: its stack, registry group and parameters.

    Args:
        session: Of the embedded AWS.
        name: Of all that the environment has.
    """

    session: boto3.Session
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.sagemaker = self.session.client("sagemaker")
        self.ssm = self.session.client("ssm")
        self.cloudformation = self.session.client("cloudformation")
        self.s3 = self.session.client("s3")

    # What is deployed.

    def make(self) -> None:
        """Group, parameters, artifacts, and the stack at day 0."""
        make_repositories(self.session.client)
        self.sagemaker.create_model_package_group(ModelPackageGroupName=self.name)
        for kind in ("approved", "challenger"):
            self.ssm.put_parameter(Name=self.parameter(kind), Value="none", Type="String")
        self.s3.create_bucket(Bucket=self.name)
        self.s3.put_object(Bucket=self.name, Key="models/good.tar.gz", Body=archive(weights=b"1"))
        self.s3.put_object(Bucket=self.name, Key="models/broken.tar.gz", Body=b"no archive")
        self.cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(self._template()),
            Capabilities=["CAPABILITY_IAM"],
            OnFailure="DO_NOTHING",
        )
        self.await_stack("CREATE_COMPLETE")

    def parameter(self, kind: str) -> str:
        return f"/{self.name}/{kind}"

    def _template(self) -> Any:
        """The template with the real construct."""
        stack = bare_stack(self.name)
        key = DataKey(stack, "Key", removal_policy=cdk.RemovalPolicy.DESTROY).key
        artifacts = s3.Bucket.from_bucket_name(stack, "Artifacts", self.name)
        approved, challenger = (self._read(stack, kind) for kind in ("approved", "challenger"))
        define_endpoint(stack, self.name, approved, challenger)
        self._define_more(stack, approved, key)
        ModelDeployment(
            stack,
            "Deployment",
            model_package_group_name=self.name,
            endpoint_name=self.name,
            parameter_name=self.parameter("approved"),
            challenger_parameter_name=self.parameter("challenger"),
            state_parameter_name=self.parameter("state"),
            contract=PackageContract(
                image_repository=REPOSITORY,
                feature_schema_versions=["v2", "v3"],
                capture_contract=RECORDED["capture_contract"],
            ),
            longest_rollout=cdk.Duration.minutes(10),
            artifacts_bucket=artifacts,
            metric_namespace=self.name,
            encryption_key=key,
        )
        return with_code(Template.from_stack(stack).to_json(), self.s3, self.name)

    def _define_more(self, stack: cdk.Stack, approved: str, key: cdk.aws_kms.IKey) -> None:
        """What else the stack has."""

    def _read(self, stack: cdk.Stack, kind: str) -> str:
        parameter = cdk.CfnParameter(
            stack,
            kind.capitalize(),
            type="AWS::SSM::Parameter::Value<String>",
            default=self.parameter(kind),
        )
        return parameter.value_as_string

    # What people and pipelines do.

    def register(
        self,
        data: str = "good",
        *,
        image: str = f"{REPOSITORY}:1",
        recorded: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        kinds: Collection[str] = tuple(BASELINES),
    ) -> str:
        """A package that waits for a decision; there is no archive but the good one."""
        folder = f"executions/{uuid.uuid4().hex}"
        for kind in kinds:
            for name in FILES:
                key = f"{folder}/{kind}/{name}.json"
                self.s3.put_object(Bucket=self.name, Key=key, Body=key.encode())
        container = {
            "Image": image,
            "ModelDataUrl": f"s3://{self.name}/models/{data}.tar.gz",
            "Environment": PINNED if variables is None else variables,
        }
        arn: str = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.name,
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            CustomerMetadataProperties=RECORDED if recorded is None else recorded,
            DriftCheckBaselines={
                BASELINES[kind][0]: {
                    member: {
                        "ContentType": "application/json",
                        "S3Uri": f"s3://{self.name}/{folder}/{kind}/{name}.json",
                    }
                    for member, name in BASELINES[kind][1].items()
                }
                for kind in kinds
            },
        )["ModelPackageArn"]
        return arn

    def decide(self, arn: str, status: str = "Approved") -> None:
        """As `fraudloop` does: the status with a record of the decision."""
        number = len(self.package(arn).get("CustomerMetadataProperties", {})) + 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.sagemaker.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus=status,
            CustomerMetadataProperties={f"decision_{number:03}": f"{at} {status} by arn: because"},
        )

    def challenge(self, arn: str) -> None:
        """As `fraudloop shadow` does."""
        value = spelled(self.package(arn)) if arn.startswith("arn:") else arn
        self.ssm.put_parameter(Name=self.parameter("challenger"), Value=value, Overwrite=True)

    # What can be seen.

    def package(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_model_package(ModelPackageName=arn)
        return found

    def named(self) -> str:
        """The package that the stack is told to serve."""
        return package_of(self.value("approved"))

    def value(self, kind: str) -> str:
        found: str = self.ssm.get_parameter(Name=self.parameter(kind))["Parameter"]["Value"]
        return found

    def state(self) -> dict[str, str]:
        """The last deployment."""
        value = self.value("state")
        found: dict[str, str] = json.loads(value) if value != "none" else {"state": "none"}
        return found

    def states(self, arn: str) -> list[str]:
        """Where the deployments of a package have been, one after the other."""
        pages = self.ssm.get_paginator("get_parameter_history").paginate(
            Name=self.parameter("state")
        )
        values = [each["Value"] for page in pages for each in page["Parameters"]]
        found = [json.loads(value) for value in values if value != "none"]
        return [each["state"] for each in found if each["model_package"] == arn]

    def stack(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][
            0
        ]
        return found

    def serves(self) -> tuple[str, str]:
        """The packages of the endpoint: whose answers are returned, and whose are not."""
        try:
            packages = [told["MODEL_PACKAGE_ARN"] for told in self.told()]
        except self.sagemaker.exceptions.ClientError as error:
            if "Could not find" not in str(error):
                raise
            return "changes just now", "none"
        return packages[0], packages[1] if len(packages) > 1 else "none"

    def told(self) -> list[dict[str, str]]:
        """What the containers of the endpoint are told: the production variant's comes first."""
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.name)
        config = self.sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        models = [
            self.sagemaker.describe_model(ModelName=variant["ModelName"])
            for variants in ("ProductionVariants", "ShadowProductionVariants")
            for variant in config.get(variants, ())
        ]
        return [model["PrimaryContainer"]["Environment"] for model in models]

    def monitored(self, arn: str) -> dict[str, str]:
        """What the monitors read of a package: whatever lies below its folder."""
        folder = f"monitoring/baseline/{arn.partition(':model-package/')[2]}/"
        listed = self.s3.list_objects_v2(Bucket=self.name, Prefix=folder).get("Contents", ())
        return {each["Key"].removeprefix(folder): self.read(each["Key"]) for each in listed}

    def learned(self, arn: str) -> dict[str, str]:
        """What they should read: what the package was registered with, and its model."""
        baselines = self.package(arn)["DriftCheckBaselines"]
        found = {"attribution/model.tar.gz": self.read("models/good.tar.gz")}
        for kind, (member, _) in BASELINES.items():
            constraints = next(reversed(baselines[member].values()))["S3Uri"]
            folder = constraints.removeprefix(f"s3://{self.name}/").rpartition("/")[0]
            for name in FILES:
                found[f"{kind}/{name}.json"] = f"{folder}/{name}.json"
        return found

    def read(self, key: str) -> str:
        body: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body.decode("latin1")

    def waiting(self) -> int:
        """Messages of the queue that are not handled yet."""
        sqs = self.session.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=self.queue("Queue"), AttributeNames=names)
        return sum(int(count) for count in found["Attributes"].values())

    def queue(self, name: str) -> str:
        """A queue's URL, by what the construct calls it."""
        resources = self.cloudformation.describe_stack_resources(StackName=self.name)
        (url,) = (
            each["PhysicalResourceId"]
            for each in resources["StackResources"]
            if each["ResourceType"] == "AWS::SQS::Queue"
            and each["LogicalResourceId"].startswith(f"DeploymentDeployer{name}")
        )
        return str(url)

    # Waiting.

    def eventually(self, what: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what}: {self.state()}, {self.stack()['StackStatus']}")

    def await_stack(self, status: str) -> None:
        self.eventually(lambda: self.stack()["StackStatus"] == status)

    def await_state(self, state: str, arn: str) -> dict[str, str]:
        """Wait until the last deployment is of a package and in a state; then all is at rest."""

        def there() -> bool:
            now = self.state()
            return (now["state"], now.get("model_package")) == (state, arn)

        self.eventually(there)
        self.eventually(lambda: self.waiting() == 0)
        return self.state()

    def deployed(self) -> str:
        """A new package, approved and in service."""
        arn = self.register()
        self.decide(arn)
        self.await_state("InService", arn)
        return arn


def with_code(template: Any, client: Any, bucket: str) -> Any:
    """A template of functions, whose code is put where it then says that it is."""
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        handler = resource["Properties"]["Handler"].partition(".")[0]
        body = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(body, "w") as packed:
            ship(handler, Path(folder))
            for path in Path(folder).rglob("*.py"):
                packed.write(path, path.relative_to(folder))
        client.put_object(Bucket=bucket, Key=f"{handler}.zip", Body=body.getvalue())
        resource["Properties"]["Code"] = {"S3Bucket": bucket, "S3Key": f"{handler}.zip"}
    return template
