"""The model registry: which versions there are, and which one the endpoint serves."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from operations import progress
from operations.errors import OperationError
from operations.models.deployments import VERDICT_SECONDS, longest_deployment, why_not_deployed
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.decisions import APPROVED, approval
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.packages import package_of, schema_version_of
from pipeline_code.contracts.resources import Stage

_DEPLOYED = ("deployed", "champion")
# After a failed update the endpoint serves what it served before, and that may be what is wanted.
_STATES_AT_REST = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


def packages(target: Target, *, limit: int = 20) -> list[dict[str, Any]]:
    """Model packages of the environment's group, newest first."""
    summaries: list[dict[str, Any]] = target.client("sagemaker").list_model_packages(
        ModelPackageGroupName=target.output(Output.MODEL_PACKAGE_GROUP),
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=limit,
    )["ModelPackageSummaryList"]
    return summaries


def find(target: Target, package: str) -> dict[str, Any]:
    """The package named by an ARN, a version number, `latest`, or `deployed` (or `champion`).

    Raises:
        OperationError: If there is none of that name; the message lists the newest there are. Or
            the deployed one is asked for, and none is.
    """
    sagemaker, group = target.client("sagemaker"), target.output(Output.MODEL_PACKAGE_GROUP)
    wanted = deployed_package(target) if package in _DEPLOYED else package
    if wanted == "none":
        raise OperationError(
            f"a model must be deployed to be named {package!r}, got none; use `fraudloop approve`"
        )
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            arn = summary["ModelPackageArn"]
            if wanted in ("latest", str(summary["ModelPackageVersion"]), arn):
                described: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=arn)
                return described
    have = ", ".join(
        f"{summary['ModelPackageVersion']} ({summary['ModelApprovalStatus']})"
        for summary in packages(target)
    )
    raise OperationError(
        f"package must be a version of {group}, got {package!r}; "
        f"its versions: {have or 'none, run `fraudloop train` first'}"
    )


def approved(target: Target) -> list[dict[str, Any]]:
    """Every approved package of the environment's group, the one approved last first."""
    sagemaker = target.client("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=target.output(Output.MODEL_PACKAGE_GROUP),
        ModelApprovalStatus=APPROVED,
    )
    found = [
        sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
        for page in pages
        for summary in page["ModelPackageSummaryList"]
    ]
    return sorted(found, key=approval, reverse=True)


def delete_all(target: Target) -> int:
    """Delete every package of the environment's group; returns how many there were."""
    sagemaker, count = target.client("sagemaker"), 0
    while found := packages(target, limit=100):
        for summary in found:
            sagemaker.delete_model_package(ModelPackageName=summary["ModelPackageArn"])
        count += len(found)
    return count


def deployed_package(target: Target) -> str:
    """ARN of the model package that the serving stack was last asked for, or `none`."""
    return package_of(_spelled(target))


def deployed_schema_version(target: Target) -> str:
    """The version of the features' schema that its model takes."""
    return schema_version_of(_spelled(target))


def _spelled(target: Target) -> str:
    name = target.output(Output.APPROVED_MODEL_PARAMETER)
    return str(target.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def await_deployment(
    target: Target,
    package_arn: str,
    *,
    since: datetime | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Wait until CloudFormation has put a package behind the endpoint; returns the endpoint's ARN.

    Args:
        target: Where.
        package_arn: The package.
        since: When the deployment was caused: a failure before is an earlier one's. If omitted,
            when the package was approved.
        timeout_seconds: How long to wait. If omitted, as long as the environment's rollout may
            take.

    Raises:
        OperationError: If the package is refused, the stack update fails or rolls back, or the time
            is over.
    """
    limit = longest_deployment(target) if timeout_seconds is None else timeout_seconds
    failed_at, item = None, f"deployment of version {package_arn.rpartition('/')[2]}"
    progress.update(item, f"waited for at most {limit / 60:.0f} minutes")
    for _ in looks(limit):
        if reason := why_not_deployed(target, package_arn):
            raise OperationError(f"{package_arn} is not deployed; {reason}")
        now = _DeploymentStatus.of(target, package_arn)
        if now.is_at_rest and _serves(target, now.endpoint, package_arn):
            progress.update(item, "in service", ended=True)
            return str(now.endpoint["EndpointArn"])
        progress.update(item, str(now))
        if now.has_failed and _updated_since(target, now.stack, package_arn, since):
            # The function that deploys is about to say why.
            failed_at = failed_at or time.monotonic()
            if time.monotonic() - failed_at > VERDICT_SECONDS:
                raise OperationError(f"deployment of {package_arn} ended; {now}")
    raise OperationError(
        f"deployment must end within {limit:.0f} s, got {now}; it may go on by itself: see "
        "`fraudloop status`, the stack's events, and what failed for `fraudloop redrive`"
    )


@dataclass(frozen=True, slots=True)
class _DeploymentStatus:
    """Where the deployment of a package stands."""

    is_taken: bool
    stack: dict[str, Any]
    endpoint: dict[str, Any]

    @classmethod
    def of(cls, target: Target, package_arn: str) -> "_DeploymentStatus":
        name = target.stack_name(Stage.SERVING)
        stacks = target.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        taken = deployed_package(target) == package_arn
        return cls(is_taken=taken, stack=stacks[0], endpoint=_endpoint(target))

    @property
    def is_at_rest(self) -> bool:
        return self.is_taken and self.stack["StackStatus"] in _STATES_AT_REST

    @property
    def has_failed(self) -> bool:
        return str(self.stack["StackStatus"]).endswith(("ROLLBACK_COMPLETE", "_FAILED"))

    def __str__(self) -> str:
        taken = "" if self.is_taken else "it is yet to be taken by the deployment function; "
        endpoint = self.endpoint.get("EndpointStatus", "not created")
        stack = f"stack {self.stack['StackName']} {self.stack['StackStatus']}"
        return f"{taken}{stack}, endpoint {endpoint}"


def _updated_since(
    target: Target, stack: dict[str, Any], package_arn: str, since: datetime | None
) -> bool:
    """Whether a stack's failure is of this deployment and not of an earlier one."""
    if since is None:
        sagemaker = target.client("sagemaker")
        package = sagemaker.describe_model_package(ModelPackageName=package_arn)
        since = package.get("LastModifiedTime", package["CreationTime"])
    return bool(stack.get("LastUpdatedTime", stack["CreationTime"]) >= since)


def _endpoint(target: Target) -> dict[str, Any]:
    """The endpoint as it is described; empty before the first deployment."""
    sagemaker = target.client("sagemaker")
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=target.output(Output.ENDPOINT)))
    except ClientError as error:
        if "Could not find endpoint" in str(error):
            return {}
        raise


def _serves(target: Target, endpoint: dict[str, Any], package_arn: str) -> bool:
    """Whether the endpoint is in service with the model made from the package."""
    if endpoint.get("EndpointStatus") != "InService":
        return False
    sagemaker = target.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return bool(container.get("ModelPackageName") == package_arn)
