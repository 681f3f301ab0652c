"""The lineage of an endpoint or a model package: the code and S3 objects that it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from operations.console import utc
from operations.errors import OperationError
from operations.models import registry
from operations.models.decisions import decisions_on, last_decision
from operations.models.origins import Origins
from operations.target import Target
from pipeline_code.contracts.decisions import is_decision_key
from pipeline_code.contracts.outputs import Output

__all__ = ["Lineage", "describe_package", "lineage", "without_decisions"]

# What names a package and not an endpoint, beside versions and ARNs.
_PACKAGES = frozenset({"latest", "deployed", "champion"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Everything behind a model package, as documents of JSON.

    Attributes:
        endpoint: The endpoint that was asked about, its configuration and model; None if it was
            the package.
        package: Version, decisions, metrics and metadata.
        execution: The pipeline execution that registered it; None if it was not one.
        steps: Its steps, each with the job that did it.
        training_job: What trained the model.
        feature_job: What computed the rows that it learned from.
        sources: The lake's objects that were read for them, in their versions; None if that was not
            recorded.
        verification: What `operations.models.verification` found.
    """

    endpoint: Mapping[str, Any] | None
    package: Mapping[str, Any]
    execution: Mapping[str, Any] | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    training_job: Mapping[str, Any] | None = None
    feature_job: Mapping[str, Any] | None = None
    sources: Mapping[str, Any] | None = None
    verification: Mapping[str, Any] | None = None

    def with_verification(self, verification: Mapping[str, Any]) -> "Lineage":
        return replace(self, verification=verification)

    def as_dict(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "model_package": self.package,
            "pipeline_execution": self.execution,
            "steps": list(self.steps),
            "training_job": self.training_job,
            "feature_job": self.feature_job,
            "sources": self.sources,
            "verification": self.verification,
        }


def lineage(target: Target, subject: str | None = None) -> Lineage:
    """The lineage of an endpoint or a model package.

    Args:
        target: Where.
        subject: Name or ARN of an endpoint; or a package: ARN, version number, `latest` or
            `deployed`. If omitted, the environment's endpoint.

    Raises:
        OperationError: If there is no such endpoint or package, or the endpoint's model was not
            made from a package.
    """
    endpoint = None
    wanted = target.output(Output.ENDPOINT) if subject is None else subject
    if wanted in _PACKAGES or wanted.isdigit() or ":model-package/" in wanted:
        described = registry.find(target, wanted)
    else:
        endpoint = _endpoint(target, wanted.rsplit("/", 1)[-1])
        described = target.client("sagemaker").describe_model_package(
            ModelPackageName=endpoint["model_package"]
        )
    found = Lineage(endpoint=endpoint, package=describe_package(described))
    generated_by = described.get("MetadataProperties", {}).get("GeneratedBy", "")
    if ":pipeline/" not in generated_by:
        return found
    origins = Origins(target)
    steps = origins.steps(generated_by)
    training_job = origins.training_job(steps)
    feature_job = origins.feature_job(steps, training_job["inputs"])
    return replace(
        found,
        execution=origins.execution(generated_by),
        steps=tuple(step.as_dict() for step in steps),
        training_job=training_job,
        feature_job=feature_job,
        sources=origins.sources(feature_job),
    )


def describe_package(package: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a described package."""
    container = package.get("InferenceSpecification", {}).get("Containers", [{}])[0]
    decision = last_decision(package)
    return {
        "arn": package["ModelPackageArn"],
        "version": package.get("ModelPackageVersion"),
        "status": package["ModelApprovalStatus"],
        "registered": utc(package["CreationTime"]),
        "decided": None if decision is None else decision.as_dict(),
        "decisions": [each.as_dict() for each in decisions_on(package)],
        "revision": package.get("MetadataProperties", {}).get("CommitId"),
        "image": container.get("Image"),
        "artifact": container.get("ModelDataUrl"),
        "model_card_status": package.get("ModelCard", {}).get("ModelCardStatus"),
        "metadata": without_decisions(package),
    }


def without_decisions(package: Mapping[str, Any]) -> dict[str, str]:
    """A described package's metadata as it was registered with."""
    properties = package.get("CustomerMetadataProperties", {})
    return {key: properties[key] for key in sorted(properties) if not is_decision_key(key)}


def _endpoint(target: Target, name: str) -> dict[str, Any]:
    sagemaker = target.client("sagemaker")
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find endpoint" not in str(error):
            raise
        raise OperationError(
            f"endpoint must exist, got none named {name!r}; `fraudloop approve` deploys one"
        ) from error
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model.get("PrimaryContainer") or model.get("Containers", [{}])[0]
    if "ModelPackageName" not in container:
        raise OperationError(
            f"the endpoint's model must be made from a model package, got {model['ModelName']} "
            "which names none; its lineage is not known"
        )
    return {
        "arn": endpoint["EndpointArn"],
        "name": name,
        "status": endpoint["EndpointStatus"],
        "config": endpoint["EndpointConfigName"],
        "model": model["ModelName"],
        "model_package": container["ModelPackageName"],
    }
