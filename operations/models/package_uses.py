"""The packages that run, or that a roll-back would bring back, and what they need."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from operations.models import registry
from operations.models.deployments import last_deployment
from operations.target import Target
from pipeline_code.contracts.decisions import REJECTED
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.packages import NO_MODEL, package_of, recorded_schema_version

__all__ = ["PackageUse", "Use", "uses"]


class Use(StrEnum):
    """What a package needs the feature groups of its version for."""

    SERVES = "serves"
    CHALLENGER = "is the challenger"
    ROLL_BACK = "is what a roll-back brings back"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageUse:
    """A package that runs, or may come to run by a roll-back.

    Attributes:
        use: What it does.
        package: Its number in the registry.
        arn: Its ARN.
        version: Of the schema that its features are of.
    """

    use: Use
    package: int
    arn: str
    version: str

    def __str__(self) -> str:
        return f"package {self.package} {self.use}"


def uses(target: Target) -> list[PackageUse]:
    """Every use of a package, of whichever version; a package may have several."""
    serving = _running(target, "ProductionVariants")
    if Output.APPROVED_MODEL_PARAMETER in target.outputs:
        serving.append(registry.deployed_package(target))
    named = [
        *((Use.SERVES, arn) for arn in serving),
        *((Use.CHALLENGER, arn) for arn in _challengers(target)),
        *((Use.ROLL_BACK, arn) for arn in _brought_back(target, serving)),
    ]
    found = []
    for use, arn in dict.fromkeys(named):
        package = None if arn == NO_MODEL else _described(target, arn)
        if package is not None:
            found.append(
                PackageUse(
                    use=use,
                    package=package["ModelPackageVersion"],
                    arn=arn,
                    version=recorded_schema_version(package),
                )
            )
    return found


def _running(target: Target, variants: str) -> list[str]:
    """ARNs of the packages behind the endpoint's production or shadow variants."""
    name = target.outputs.get(Output.ENDPOINT)
    if name is None:
        return []
    sagemaker = target.client("sagemaker")
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
        config = sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        models = [
            sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
            for variant in config.get(variants, ())
        ]
    except ClientError as error:
        if "Could not find" not in str(error):
            raise
        return []
    # A challenger's model is made of what its package holds, and told which that is.
    told = [
        model.get("ModelPackageName") or model.get("Environment", {}).get("MODEL_PACKAGE_ARN")
        for model in models
    ]
    return [arn or NO_MODEL for arn in told]


def _challengers(target: Target) -> list[str]:
    name = target.outputs.get(Output.CHALLENGER_PARAMETER)
    if name is None:
        return []
    wanted = target.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return [*_running(target, "ShadowProductionVariants"), package_of(wanted)]


def _brought_back(target: Target, serving: list[str]) -> Iterator[str]:
    """What served before, and the package that a rejection of what serves would bring back."""
    if Output.DEPLOYMENT_STATE_PARAMETER in target.outputs:
        last = last_deployment(target) or {}
        previous = last.get("previous", NO_MODEL)
        package = None if previous in (NO_MODEL, *serving) else _described(target, previous)
        if package is not None and package["ModelApprovalStatus"] != REJECTED:
            yield previous
    if Output.MODEL_PACKAGE_GROUP in target.outputs:
        approved = (each["ModelPackageArn"] for each in registry.approved(target))
        yield from [arn for arn in approved if arn not in serving][:1]


def _described(target: Target, arn: str) -> dict[str, Any] | None:
    """A package; None if it is no more."""
    try:
        found: dict[str, Any] = target.client("sagemaker").describe_model_package(
            ModelPackageName=arn
        )
    except ClientError as error:
        if not any(words in str(error) for words in ("does not exist", "Could not find")):
            raise
        return None
    return found
