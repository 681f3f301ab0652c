"""The versions of the model: where each comes from, how good it is, and who decided what on it."""

from typing import Any

from operations.models import registry
from operations.models.deployments import deployments
from operations.models.lineage import describe_package
from operations.target import Target

__all__ = ["versions"]


def versions(target: Target, *, limit: int) -> list[dict[str, Any]]:
    """The newest versions first, each as `describe_package` tells it, and how deploying it went."""
    sagemaker, deployed = target.client("sagemaker"), registry.deployed_package(target)
    ended = deployments(target)
    found = []
    for summary in registry.packages(target, limit=limit):
        arn = summary["ModelPackageArn"]
        described = describe_package(sagemaker.describe_model_package(ModelPackageName=arn))
        found.append({**described, "deployed": arn == deployed, "deployment": ended.get(arn)})
    return found
