"""Approval: the one human decision between a trained model and a live one."""

import time
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError
from operations.target import Target

_DEPLOYED_STATES = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def packages(target: Target, *, limit: int = 20) -> list[dict[str, Any]]:
    """Model packages of the environment's group, newest first."""
    summaries: list[dict[str, Any]] = target.client("sagemaker").list_model_packages(
        ModelPackageGroupName=target.output("ModelPackageGroupName"),
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=limit,
    )["ModelPackageSummaryList"]
    return summaries


def find(target: Target, package: str) -> dict[str, Any]:
    """The package named by an ARN, a version number or `latest`.

    Raises:
        OperationError: If there is none of that name; the message lists what there is.
    """
    known = packages(target, limit=100)
    for summary in known:
        version = str(summary["ModelPackageVersion"])
        if package in ("latest", version, summary["ModelPackageArn"]):
            described: dict[str, Any] = target.client("sagemaker").describe_model_package(
                ModelPackageName=summary["ModelPackageArn"]
            )
            return described
    have = ", ".join(
        f"{summary['ModelPackageVersion']} ({summary['ModelApprovalStatus']})" for summary in known
    )
    raise OperationError(
        f"package must be a version of {target.output('ModelPackageGroupName')}, got {package!r}; "
        f"its versions: {have or 'none, run `fraudloop train` first'}"
    )


def approve(target: Target, package: str, *, reason: str) -> str:
    """Approve a package that waits for approval; the deployed rule then deploys it.

    Raises:
        OperationError: If the package is unknown, or was already approved or rejected.
    """
    return _decide(target, package, "Approved", reason)


def reject(target: Target, package: str, *, reason: str) -> str:
    """Reject a package that waits for approval, so that it is never deployed.

    Raises:
        OperationError: If the package is unknown, or was already approved or rejected.
    """
    return _decide(target, package, "Rejected", reason)


def _decide(target: Target, package: str, decision: str, reason: str) -> str:
    described = find(target, package)
    arn, status = described["ModelPackageArn"], described["ModelApprovalStatus"]
    if status != "PendingManualApproval":
        raise OperationError(
            f"package must wait for approval, got version {described['ModelPackageVersion']} "
            f"which is {status}; only a PendingManualApproval package can be decided on"
        )
    target.client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus=decision, ApprovalDescription=reason
    )
    return str(arn)


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
    parameter = target.client("ssm").get_parameter(Name=target.output("ApprovedModelParameterName"))
    return str(parameter["Parameter"]["Value"])


def await_deployment(target: Target, package_arn: str, *, timeout_seconds: float = 1800.0) -> str:
    """Wait until CloudFormation has put a package behind the endpoint; returns the endpoint's ARN.

    Raises:
        OperationError: If the stack update fails or rolls back, or the time is over.
    """
    cloudformation, stack_name = target.client("cloudformation"), target.stack_name("serving")
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        status = stack["StackStatus"]
        running = status in _DEPLOYED_STATES and deployed_package(target) == package_arn
        if running and (endpoint := _serving(target, package_arn)):
            return endpoint
        if _has_failed(status) and _updated_since_approval(target, stack, package_arn):
            raise OperationError(f"deployment of {package_arn} ended as {status} of {stack_name}")
        time.sleep(0.5)
    raise OperationError(
        f"deployment must end within {timeout_seconds:.0f} s, got {status}; see the events of "
        f"stack {stack_name}"
    )


def _has_failed(status: str) -> bool:
    return "ROLLBACK" in status or status.endswith("_FAILED")


def _updated_since_approval(target: Target, stack: dict[str, Any], package_arn: str) -> bool:
    """Whether a stack's failure is this package's and not that of an earlier one."""
    package = target.client("sagemaker").describe_model_package(ModelPackageName=package_arn)
    decided = package.get("LastModifiedTime", package["CreationTime"])
    return bool(stack.get("LastUpdatedTime", stack["CreationTime"]) >= decided)


def _serving(target: Target, package_arn: str) -> str | None:
    """ARN of the endpoint, once it is in service with the model made from the package."""
    sagemaker = target.client("sagemaker")
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=target.output("EndpointName"))
    except ClientError as error:
        if "Could not find endpoint" in str(error):
            return None
        raise
    if endpoint["EndpointStatus"] != "InService":
        return None
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model.get("PrimaryContainer") or model["Containers"][0]
    if container.get("ModelPackageName") != package_arn:
        return None
    return str(endpoint["EndpointArn"])
