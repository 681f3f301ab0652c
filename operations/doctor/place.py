"""The account and the Region: who asks, which services are there, and the CDK's own stack."""

from collections.abc import Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from operations.deployment.assembly import Bootstrap, bootstrap_needed, stacks
from operations.doctor.checks import Check, Outcome
from operations.errors import OperationError
from operations.target import Target

__all__ = ["bootstrapped", "check_region", "identity", "services"]

# Endpoint prefixes, as botocore has them, of what a template's types belong to; others are named
# as in the type.
_CLIENTS = {
    "applicationautoscaling": "application-autoscaling",
    "kinesisfirehose": "firehose",
}
# Services that templates do not name and the app calls.
_CALLED = ("sagemaker-runtime", "sagemaker-featurestore-runtime", "service-quotas", "sts")


def check_region(target: Target) -> None:
    """Refuse a Region in which SageMaker is not; asks nobody.

    Raises:
        OperationError: With the Regions that there are.
    """
    regions = target.session.get_available_regions("sagemaker")
    if target.session.region_name not in regions:
        raise OperationError(
            f"region must be one of SageMaker's, got {target.session.region_name}: "
            f"{', '.join(sorted(regions))}"
        )


def identity(target: Target) -> Check:
    """Whose credentials these are.

    Raises:
        ClientError: If AWS does not know them, or they have expired.
    """
    arn = target.client("sts").get_caller_identity()["Arn"]
    return Check(
        subject="credentials",
        outcome=Outcome.OK,
        found=f"{arn} in {target.session.region_name}",
        needed="some that AWS knows",
    )


def services(target: Target, assembly: Path) -> Iterator[Check]:
    """Whether every service that the stacks use is in the Region, by the SDK's own list."""
    region = target.session.region_name
    used = sorted({*_CALLED, *_used(assembly)})
    # Of some, as IAM, the list says no Region: they are everywhere.
    known = {name: target.session.get_available_regions(name) for name in used}
    missing = [name for name, regions in known.items() if regions and region not in regions]
    yield Check(
        subject="services",
        outcome=Outcome.UNKNOWN if missing else Outcome.OK,
        found=f"none of {', '.join(missing)}" if missing else f"all are in {region}",
        needed=f"{len(used)} of them",
        advice="see AWS's list of services by Region; another --region has them" if missing else "",
    )


def bootstrapped(target: Target, assembly: Path, *, by_deployment: bool) -> Iterator[Check]:
    """The version of what `cdk bootstrap` made, under the qualifier that the stacks name.

    Args:
        target: Where.
        assembly: The stacks.
        by_deployment: Whether the deployment bootstraps first.
    """
    for need in bootstrap_needed(assembly):
        yield _bootstrap(target, need, by_deployment=by_deployment)


def _bootstrap(target: Target, need: Bootstrap, *, by_deployment: bool) -> Check:
    version = _version(target, need)
    enough = version is not None and version >= need.version
    found, advice = f"there is version {version}" if version is not None else "there is none", ""
    outcome = Outcome.OK if enough else Outcome.NOTE if by_deployment else Outcome.REFUSED
    if not enough:
        advice = (
            "`fraudloop deploy` bootstraps first"
            if by_deployment
            else "leave --no-bootstrap out, or have whoever may do so run `cdk bootstrap`"
        )
    if version is None and (others := _other_qualifiers(target, need)):
        outcome, found = Outcome.REFUSED, f"there is {', '.join(others)}"
        advice = (
            'set "@aws-cdk/core:bootstrapQualifier" to it in cdk.json; or, to have both, run '
            f"`cdk bootstrap --qualifier {need.qualifier} --toolkit-stack-name "
            f"CDKToolkit-{need.qualifier}`"
        )
    return Check(
        subject="CDK bootstrap",
        outcome=outcome,
        found=found,
        needed=f"version {need.version} of qualifier {need.qualifier}",
        advice=advice,
    )


def _version(target: Target, need: Bootstrap) -> int | None:
    try:
        found = target.client("ssm").get_parameter(Name=need.parameter)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return None
    return int(found["Parameter"]["Value"])


def _other_qualifiers(target: Target, need: Bootstrap) -> list[str]:
    root = need.parameter.removesuffix(f"/{need.qualifier}/version")
    pages = target.client("ssm").get_paginator("get_parameters_by_path")
    return sorted(
        each["Name"].split("/")[-2]
        for page in pages.paginate(Path=root, Recursive=True)
        for each in page["Parameters"]
        if each["Name"].endswith("/version")
    )


def _used(assembly: Path) -> Iterator[str]:
    for stack in stacks(assembly):
        for resource in stack.template["Resources"].values():
            owner, service, *_ = resource["Type"].lower().split("::")
            if owner == "aws":
                yield _CLIENTS.get(service, service)
