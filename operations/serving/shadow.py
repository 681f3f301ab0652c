"""A challenger in the endpoint's shadow: put there, looked at, taken away."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from operations import progress
from operations.errors import OperationError
from operations.models import registry
from operations.models.deployments import longest_deployment
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.decisions import REJECTED
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.packages import NO_MODEL, package_of, spelled
from pipeline_code.contracts.resources import Stage

__all__ = ["Shadow", "parameter_name", "start", "status", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What is in an endpoint's shadow.

    Attributes:
        wanted: ARN of the package that the parameter names, or `none`.
        package: ARN of the package that is asked by now, or `none`.
        instances: How many instances it has.
        percent: Share of the live requests that it is asked too.
    """

    wanted: str
    package: str = NO_MODEL
    instances: int = 0
    percent: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "wanted": self.wanted,
            "challenger": self.package,
            "instances": self.instances,
            "percent": self.percent,
        }


def parameter_name(target: Target) -> str:
    """The SSM parameter that names the challenger.

    Raises:
        OperationError: If the environment's endpoint has no shadow.
    """
    name = target.outputs.get(Output.CHALLENGER_PARAMETER)
    if name is None:
        raise OperationError(
            f"environment must have a shadow, got none in {target.environment!r}; set "
            "endpoint.shadow in stacks/environments.py and deploy"
        )
    return name


def start(target: Target, package: str, *, wait: bool = True) -> Shadow:
    """Put a package into the shadow; it need not be approved. One that is there makes way.

    Args:
        target: Where.
        package: ARN, version number or `latest`.
        wait: Until it is asked.

    Raises:
        OperationError: If there is no shadow, no model is deployed to be compared with, the package
            is unknown, rejected or deployed itself, or the deployment fails.
    """
    name = parameter_name(target)
    if registry.deployed_package(target) == NO_MODEL:
        raise OperationError(
            "a model must be deployed to be challenged, got none; use `fraudloop approve`"
        )
    described = registry.find(target, package)
    arn, version = described["ModelPackageArn"], described["ModelPackageVersion"]
    if arn == registry.deployed_package(target):
        raise OperationError(
            f"package must not be deployed, got version {version}, which answers already"
        )
    if described["ModelApprovalStatus"] == REJECTED:
        raise OperationError(
            f"package must not be rejected, got version {version}; its model is not to be run"
        )
    try:
        _put(target, name, spelled(described))
    except ValueError as error:
        raise OperationError(str(error)) from error
    return await_shadow(target, arn) if wait else status(target)


def stop(target: Target, *, wait: bool = True) -> Shadow:
    """Take the challenger out of the shadow; what was captured of it stays.

    Raises:
        OperationError: If there is no shadow, or the deployment fails.
    """
    _put(target, parameter_name(target), NO_MODEL)
    return await_shadow(target, NO_MODEL) if wait else status(target)


def status(target: Target) -> Shadow:
    """What is in the shadow, and what is meant to be there.

    Raises:
        OperationError: If the environment's endpoint has no shadow.
    """
    wanted = _wanted(target)
    sagemaker = target.client("sagemaker")
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=target.output(Output.ENDPOINT))
    except ClientError as error:
        if "Could not find endpoint" not in str(error):
            raise
        return Shadow(wanted=wanted)
    variants = endpoint.get("ShadowProductionVariants", [])
    if not variants:
        return Shadow(wanted=wanted)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = config["ShadowProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    (production,) = config["ProductionVariants"]
    return Shadow(
        wanted=wanted,
        package=model["PrimaryContainer"]["Environment"]["MODEL_PACKAGE_ARN"],
        instances=variants[0].get("CurrentInstanceCount", 0),
        # SageMaker copies by the ratio of the weights.
        percent=100 * variant["InitialVariantWeight"] / production["InitialVariantWeight"],
    )


def await_shadow(
    target: Target,
    package: str,
    *,
    timeout_seconds: float | None = None,
) -> Shadow:
    """Wait until a package, or `none`, is in the shadow and the endpoint is in service.

    Args:
        target: Where.
        package: Its ARN, or `none`.
        timeout_seconds: How long to wait. If omitted, as long as the environment's rollout may
            take: another shadow is another configuration of the endpoint.

    Raises:
        OperationError: If the package was refused or its deployment rolled back, or the time is
            over.
    """
    limit = longest_deployment(target) if timeout_seconds is None else timeout_seconds
    stack_name = target.stack_name(Stage.SERVING)
    progress.update("challenger", f"waited for at most {limit / 60:.0f} minutes")
    for _ in looks(limit):
        shadow, state = status(target), _endpoint_status(target)
        if shadow.package == package and state == "InService":
            progress.update("challenger", shadow.package, ended=True)
            return shadow
        if package_of(shadow.wanted) != package:
            raise OperationError(
                f"{package} must stay the challenger, got {shadow.wanted} in its place"
                f"{_reason(target)}"
            )
        progress.update("challenger", f"{shadow.package}; endpoint {state}")
    raise OperationError(
        f"{package} must be in the shadow within {limit:.0f} s, got {shadow.package}"
        f"{_reason(target)}; it may go on by itself: see `fraudloop shadow status` and the events "
        f"of stack {stack_name}"
    )


def _wanted(target: Target) -> str:
    found = target.client("ssm").get_parameter(Name=parameter_name(target))
    return package_of(found["Parameter"]["Value"])


def _put(target: Target, name: str, value: str) -> None:
    target.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _endpoint_status(target: Target) -> str:
    endpoint = target.client("sagemaker").describe_endpoint(
        EndpointName=target.output(Output.ENDPOINT)
    )
    return str(endpoint["EndpointStatus"])


def _reason(target: Target) -> str:
    """Why, as far as the last deployment's state says."""
    name = target.outputs.get(Output.DEPLOYMENT_STATE_PARAMETER)
    if name is None:
        return ""
    text = target.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    try:
        state = json.loads(text)
    except ValueError:
        return ""
    return f"; the last deployment is {state['state']}: {state['reason']}"
