"""The deployments of model packages, as the function that deploys them records them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from operations.target import Target
from pipeline_code.contracts.decisions import APPROVED, approval
from pipeline_code.contracts.outputs import Output

__all__ = [
    "VERDICT_SECONDS",
    "deployments",
    "last_deployment",
    "longest_deployment",
    "waits_for_retry",
    "why_not_deployed",
]

# So long after the end of an update the function that deploys has said what it thinks of it.
VERDICT_SECONDS = 180.0
# Beside the rollout: CloudFormation's own limit for the creation of an endpoint, 160 minutes
# (create handler of AWS::SageMaker::Endpoint in the CloudFormation registry).
_MARGIN_SECONDS = 9600.0
# SageMaker's limit, where the stack does not say its own yet.
_LONGEST_ROLLOUT_SECONDS = "28800"

_UNSUCCESSFUL = frozenset({"Refused", "RolledBack"})


def last_deployment(target: Target) -> dict[str, str] | None:
    """The last deployment and its state; None before the first."""
    name = target.output(Output.DEPLOYMENT_STATE_PARAMETER)
    return _parsed(target.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def deployments(target: Target) -> dict[str, dict[str, str]]:
    """The last deployment of each package, by its ARN; Parameter Store holds a hundred states."""
    pages = target.client("ssm").get_paginator("get_parameter_history")
    kept = [
        each
        for page in pages.paginate(Name=target.output(Output.DEPLOYMENT_STATE_PARAMETER))
        for each in page["Parameters"]
    ]
    parsed = (_parsed(each["Value"]) for each in sorted(kept, key=lambda each: each["Version"]))
    return {each["model_package"]: each for each in parsed if each is not None}


def why_not_deployed(target: Target, package_arn: str) -> str | None:
    """Why a package does not come to serve, or not soon; None unless that is known.

    One that was approved again since is not given up: its next deployment is yet to come.
    """
    last = last_deployment(target)
    if last is None:
        return None
    if last["model_package"] != package_arn:
        return _overtaken(target, package_arn, last)
    if last["state"] not in _UNSUCCESSFUL:
        return None
    found = _described(target, package_arn)
    reason = f"{last['state']}: {last['reason']}"
    if found["ModelApprovalStatus"] != APPROVED:
        return reason
    if not last.get("retry_at") or approval(found)[0] > datetime.fromisoformat(last["since"]):
        return None
    return (
        f"{reason}; that is not its doing, and it is tried again after {last['retry_at']}: "
        "`fraudloop approve --overrule` does so at once, and `fraudloop reject --overrule` never"
    )


def waits_for_retry(target: Target, package_arn: str) -> bool:
    """Whether a package's deployment failed for what passes, and waits to be tried again."""
    if Output.DEPLOYMENT_STATE_PARAMETER not in target.outputs:
        return False
    last = last_deployment(target) or {}
    return last.get("model_package") == package_arn and bool(last.get("retry_at"))


def _overtaken(target: Target, package_arn: str, last: Mapping[str, str]) -> str | None:
    if last["state"] != "InService" or not last["model_package"].startswith("arn:"):
        return None
    ours, serving = (_described(target, arn) for arn in (package_arn, last["model_package"]))
    if serving["ModelApprovalStatus"] != APPROVED or approval(serving) < approval(ours):
        return None
    return f"version {serving['ModelPackageVersion']} was approved later, and serves"


def _described(target: Target, package_arn: str) -> dict[str, Any]:
    found = target.client("sagemaker").describe_model_package(ModelPackageName=package_arn)
    return dict(found)


def longest_deployment(target: Target) -> float:
    """Seconds that an approval may take at most: a rollout before it, its own, and the rest."""
    rollout = target.outputs.get(Output.ROLLOUT_TIMEOUT, _LONGEST_ROLLOUT_SECONDS)
    return 2 * float(rollout) + _MARGIN_SECONDS


def _parsed(value: str) -> dict[str, str] | None:
    """A deployment as it is recorded; None of what the parameter holds before the first."""
    try:
        found: Any = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
