"""Deploys a model package that was approved, through the serving stack's CloudFormation.

Contract:
    Event: `SageMaker Model Package State Change` of an approved package.
    Environment: PARAMETER_NAME (the SSM parameter that the serving stack reads), STACK_NAME (the
    serving stack), ARTIFACTS_BUCKET.
    Does, in this order: copies the package's drift baselines to `monitoring/baseline/` of the
    artifacts bucket, where the monitors read them; writes the package's ARN to the parameter;
    updates the stack with its own template, so that CloudFormation reads the parameter anew.
    A package that is not approved any more is left alone, and so is one whose successor is in the
    parameter already: an attempt that was put off must not bring back an older model. "No updates"
    is success: the event came twice. A stack that is being updated is waited for while the
    invocation lasts; then this raises, and Lambda tries again.
    Returns: {"deployed": bool, "reason": text}.
    Needs: sagemaker:DescribeModelPackage; s3:GetObject on the baselines and s3:PutObject on
    `monitoring/baseline/*`; ssm:GetParameters and PutParameter on the parameter;
    cloudformation:DescribeStacks, UpdateStack and SetStackPolicy on the stack; and what the update
    itself does, unless the stack has a service role (the CDK gives it one).
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

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
    if status != "Approved":
        return _result(False, f"package is {status} by now", arn)
    found = ssm.get_parameters(Names=[settings.parameter_name])["Parameters"]
    if found and _is_newer(sagemaker, found[0]["Value"], package):
        return _result(False, f"{found[0]['Value']} was approved later", arn)
    _copy_baselines(package, settings.artifacts_bucket)
    # Before the update: CloudFormation reads the parameter when the update starts.
    ssm.put_parameter(Name=settings.parameter_name, Value=arn, Type="String", Overwrite=True)
    started = _update_stack(settings.stack_name, event["id"], context)
    return _result(started, "update started" if started else "stack is up to date", arn)


def _is_newer(sagemaker: Any, deployed: str, package: Mapping[str, Any]) -> bool:
    """True if what the parameter names was approved after this package."""
    if not deployed.startswith("arn:") or deployed == package["ModelPackageArn"]:
        return False
    try:
        other = sagemaker.describe_model_package(ModelPackageName=deployed)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return False  # deleted since
    return bool(_approved_at(other) > _approved_at(package))


def _approved_at(package: Mapping[str, Any]) -> datetime:
    """Approval is the change that a package undergoes; until one it has no such time."""
    moment: datetime = package.get("LastModifiedTime", package["CreationTime"])
    return moment


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
