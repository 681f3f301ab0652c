"""Keeps the endpoint on the newest approved model package, by the serving stack's CloudFormation.

Contract:
    Event: `SageMaker Model Package State Change` of a package that was approved or rejected.
    Environment: PARAMETER_NAME (the SSM parameter that the serving stack reads), STACK_NAME (the
    serving stack), ARTIFACTS_BUCKET.
    Does, in this order: copies the package's drift baselines to `monitoring/baseline/` of the
    artifacts bucket, where the monitors read them; writes the package's ARN to the parameter;
    updates the stack with its own template, so that CloudFormation reads the parameter anew.
    When the deployed package is rejected, that package is the newest other one that is still
    approved; without one this raises, and the endpoint and the parameter stay as they are.
    What the registry says now counts, not what the event says: events may come twice, late or out
    of order. An approval that a later one has overtaken must not bring back the older model; a
    later one that was rejected since does not stand in its way. "No updates" is success: the event
    came twice. A stack that is being updated is waited for while the invocation lasts; then this
    raises, and Lambda tries again.
    Returns: {"deployed": bool, "reason": text}.
    Needs: sagemaker:DescribeModelPackage, and ListModelPackages of the group; s3:GetObject on the
    baselines and s3:PutObject on `monitoring/baseline/*`; ssm:GetParameters and PutParameter on the
    parameter; cloudformation:DescribeStacks, UpdateStack and SetStackPolicy on the stack; and what
    the update itself does, unless the stack has a service role (the CDK gives it one).
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from deploy_model.approval import approval

POLL_SECONDS = 2
RESERVE_MILLISECONDS = 20_000

# The endpoint may be updated, never replaced or deleted: either is an outage.
STACK_POLICY = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                "Resource": "*",
                "Condition": {"StringEquals": {"ResourceType": ["AWS::SageMaker::Endpoint"]}},
            },
        ]
    }
)


class StackBusyError(Exception):
    """The stack cannot be updated now; the next attempt may find it at rest."""


class NoApprovedPackageError(Exception):
    """The deployed package was rejected, and no other one is approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the stack tells this function."""

    parameter_name: str
    stack_name: str
    artifacts_bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        return cls(
            parameter_name=environment["PARAMETER_NAME"],
            stack_name=environment["STACK_NAME"],
            artifacts_bucket=environment["ARTIFACTS_BUCKET"],
        )


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    settings = Settings.from_environment(os.environ)
    arn = event["detail"]["ModelPackageArn"]
    sagemaker, ssm = boto3.client("sagemaker"), boto3.client("ssm")
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    status = package["ModelApprovalStatus"]
    found = ssm.get_parameters(Names=[settings.parameter_name])["Parameters"]
    wanted = found[0]["Value"] if found else "none"
    if status == "Approved":
        deployed = _described(sagemaker, wanted)
        if deployed is not None and _is_newer(deployed, package):
            return _result(False, f"{wanted} was approved later", arn)
        # Another approval may have been passed over for the one that was rejected since.
        passed_over = deployed is not None and deployed["ModelApprovalStatus"] != "Approved"
        chosen = _newest(sagemaker, package) if passed_over else package
    elif status == "Rejected" and (wanted == arn or _stack_has(settings.stack_name, arn)):
        chosen = _newest(sagemaker, package)
    else:
        return _result(False, f"package is {status} by now", arn)
    return _deploy(chosen, settings, event["id"], context)


def _deploy(
    package: Mapping[str, Any], settings: Settings, event_id: str, context: Any
) -> dict[str, Any]:
    arn = package["ModelPackageArn"]
    _copy_baselines(package, settings.artifacts_bucket)
    # Before the update: CloudFormation reads the parameter when the update starts.
    boto3.client("ssm").put_parameter(
        Name=settings.parameter_name, Value=arn, Type="String", Overwrite=True
    )
    started = _update_stack(settings.stack_name, event_id, context)
    return _result(started, "update started" if started else "stack is up to date", arn)


def _described(sagemaker: Any, arn: str) -> dict[str, Any] | None:
    """The package that the parameter names; None if it names none, or one deleted since."""
    if not arn.startswith("arn:"):
        return None
    try:
        package: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return None
    return package


def _is_newer(deployed: Mapping[str, Any], package: Mapping[str, Any]) -> bool:
    """True if another package is deployed that was approved later, and still is."""
    if deployed["ModelPackageArn"] == package["ModelPackageArn"]:
        return False
    if deployed["ModelApprovalStatus"] != "Approved":
        return False
    return approval(deployed) > approval(package)


def _stack_has(name: str, arn: str) -> bool:
    """True if the stack still has the package, whatever the parameter says by now.

    It does after an attempt that wrote the parameter and then found the stack busy.
    """
    stack = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return any(
        arn == parameter.get("ResolvedValue", parameter.get("ParameterValue"))
        for parameter in stack.get("Parameters", [])
    )


def _newest(sagemaker: Any, changed: Mapping[str, Any]) -> Mapping[str, Any]:
    """The package of the changed one's group that was approved last, among those that still are.

    Raises:
        NoApprovedPackageError: If there is none.
    """
    group, arn = changed["ModelPackageGroupName"], changed["ModelPackageArn"]
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved"
    )
    others = [
        sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
        for page in pages
        for summary in page["ModelPackageSummaryList"]
        if summary["ModelPackageArn"] != arn
    ]
    # The list may lag behind what each package says of itself.
    approved = [each for each in [changed, *others] if each["ModelApprovalStatus"] == "Approved"]
    if not approved:
        _log("no other package is approved", rejected=arn, group=group)
        raise NoApprovedPackageError(
            f"{group} must hold another approved package, got none; the endpoint goes on serving "
            f"the rejected {arn} until one is approved"
        )
    return max(approved, key=approval)


def _copy_baselines(package: Mapping[str, Any], bucket: str) -> None:
    """Gives the monitors the baselines of the model that they are about to watch."""
    baselines = package.get("DriftCheckBaselines", {}).get("ModelDataQuality", {})
    s3 = boto3.client("s3")
    for kind in ("Statistics", "Constraints"):
        if kind not in baselines:
            _log("package has no baseline", kind=kind)
            continue
        source = urlsplit(baselines[kind]["S3Uri"])
        s3.copy_object(
            CopySource={"Bucket": source.netloc, "Key": source.path.lstrip("/")},
            Bucket=bucket,
            Key=f"monitoring/baseline/{kind.lower()}.json",
        )


def _update_stack(name: str, event_id: str, context: Any) -> bool:
    """Starts the update; False if there is nothing to update."""
    cloudformation = boto3.client("cloudformation")
    stack = _stack_at_rest(cloudformation, name, context)
    parameters = [parameter["ParameterKey"] for parameter in stack.get("Parameters", [])]
    try:
        cloudformation.update_stack(
            StackName=name,
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in parameters],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            StackPolicyBody=STACK_POLICY,
            # An event that is delivered twice starts one update.
            ClientRequestToken=event_id,
        )
    except ClientError as error:
        message = error.response["Error"]["Message"]
        if "No updates are to be performed" in message:
            return False
        if "_IN_PROGRESS" in message:
            raise StackBusyError(f"stack {name} is being updated; trying again later") from error
        raise
    return True


def _stack_at_rest(cloudformation: Any, name: str, context: Any) -> dict[str, Any]:
    while True:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
            raise StackBusyError(f"stack {name} is {stack['StackStatus']}; trying again later")
        time.sleep(POLL_SECONDS)


def _result(deployed: bool, reason: str, arn: str) -> dict[str, Any]:
    _log(reason, deployed=deployed, model_package=arn)
    return {"deployed": deployed, "reason": reason}


def _log(message: str, **fields: object) -> None:
    print(json.dumps({"message": message, **fields}, default=str))
