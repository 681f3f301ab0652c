"""The versions of the features' schema: what there is of each, and which packages need it.

A version is alive while this code has it (`SCHEMA_DIGESTS`): then its feature groups are deployed
and kept up to date. It may end once no package that runs, or that may come to run by a roll-back,
takes its features.
"""

import re
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from operations.console import utc
from operations.errors import OperationError
from operations.models.package_uses import PackageUse, uses
from operations.target import Target
from pipeline_code.contracts.decisions import APPROVED, PENDING
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.packages import recorded_schema_version
from pipeline_code.contracts.resources import Stage, resource_name
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_VERSIONS
from pipeline_code.features.definitions import ENTITIES

__all__ = [
    "check_code",
    "group_names",
    "packages_of",
    "schema_status",
    "why_kept",
]

_GROUP = "AWS::SageMaker::FeatureGroup"


def check_code(target: Target) -> None:
    """Refuse to deploy this code where it has not the version of a package that needs it.

    Of versions whose groups are deployed, and would go: an environment that has lost one already
    loses nothing.

    Raises:
        OperationError: Such a package runs, or may come to run by a roll-back.
    """
    going = _deployed_versions(target) - set(SCHEMA_VERSIONS)
    # Of a target of its own: outputs are kept, and a deployment is about to change them.
    needed = [each for each in uses(replace(target)) if each.version in going] if going else []
    if needed:
        first = needed[0]
        raise OperationError(
            f"code must have schema version {first.version}, since {' and '.join(map(str, needed))}"
            f", got only {', '.join(SCHEMA_VERSIONS)}; keep its line in SCHEMA_DIGESTS "
            "(pipeline_code/contracts/schema.py), and its features, until `fraudloop schema retire "
            f"{first.version}` has ended it"
        )


def _deployed_versions(target: Target) -> set[str]:
    """Versions whose feature groups are their stack's."""
    pages = (
        target.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=target.stack_name(Stage.FEATURE_STORE))
    )
    try:
        names = [
            each.get("PhysicalResourceId", "")
            for page in pages
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == _GROUP and not each["ResourceStatus"].startswith("DELETE")
        ]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return set()
    return {version for name in names if (version := _version_in(target, name))}


def schema_status(target: Target) -> list[dict[str, Any]]:
    """Each version that is in this code, has groups or packages; the oldest first.

    Raises:
        OperationError: If nothing is deployed.
    """
    target.outputs  # noqa: B018 - raises the error that says what to do
    groups, used = _groups(target), uses(target)
    packages = packages_of(target)
    versions = {*SCHEMA_VERSIONS, *groups, *packages, *(each.version for each in used)}
    return [
        {
            "version": version,
            "in_code": version in SCHEMA_VERSIONS,
            "groups": groups.get(version, []),
            "uses": [
                {"package": each.package, "use": each.use.value, "arn": each.arn}
                for each in used
                if each.version == version
            ],
            "approved": _numbers(packages.get(version, []), APPROVED),
            "pending": _numbers(packages.get(version, []), PENDING),
            "why_kept": why_kept(version, used),
        }
        # By number, whatever a package may have recorded.
        for version in sorted(versions, key=lambda version: (len(version), version))
    ]


def why_kept(version: str, used: list[PackageUse]) -> str:
    """Why a version cannot be retired; empty if it can."""
    if version not in SCHEMA_VERSIONS:
        return "this code has it no more"
    if version == NEWEST_VERSION:
        return "it is what is trained"
    return ", ".join(str(each) for each in used if each.version == version)


def packages_of(target: Target) -> dict[str, list[dict[str, Any]]]:
    """The described packages that are approved or wait for a decision, by their version."""
    sagemaker, found = target.client("sagemaker"), dict[str, list[dict[str, Any]]]()
    group = target.outputs.get(Output.MODEL_PACKAGE_GROUP)
    paginator = sagemaker.get_paginator("list_model_packages")
    for status in (APPROVED, PENDING) if group else ():
        for page in paginator.paginate(ModelPackageGroupName=group, ModelApprovalStatus=status):
            for summary in page["ModelPackageSummaryList"]:
                arn = summary["ModelPackageArn"]
                package = sagemaker.describe_model_package(ModelPackageName=arn)
                found.setdefault(recorded_schema_version(package), []).append(package)
    return found


def _numbers(packages: list[dict[str, Any]], status: str) -> list[int]:
    numbers = (
        each["ModelPackageVersion"] for each in packages if each["ModelApprovalStatus"] == status
    )
    return sorted(numbers)


def group_names(target: Target, version: str) -> list[str]:
    """Names of the feature groups of a version."""
    return [resource_name(target.environment, f"{each.name}-{version}") for each in ENTITIES]


def _groups(target: Target) -> dict[str, list[dict[str, str]]]:
    """The environment's feature groups by version, with or without a stack."""
    found: dict[str, list[dict[str, str]]] = {}
    prefix = resource_name(target.environment, "")
    pages = target.client("sagemaker").get_paginator("list_feature_groups")
    for page in pages.paginate(NameContains=prefix):
        for each in page["FeatureGroupSummaries"]:
            name = each["FeatureGroupName"]
            if version := _version_in(target, name):
                found.setdefault(version, []).append(
                    {
                        "name": name,
                        "status": each["FeatureGroupStatus"],
                        "created": utc(each["CreationTime"]),
                    }
                )
    return found


def _version_in(target: Target, name: str) -> str | None:
    """The version in a feature group's name; None if it is not one of this environment's."""
    entities = "|".join(each.name for each in ENTITIES)
    prefix = resource_name(target.environment, "")
    found = re.fullmatch(rf"{re.escape(prefix)}(?:{entities})-(v\d+)", name)
    return None if found is None else found[1]
