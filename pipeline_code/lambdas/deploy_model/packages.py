"""The registry's group of model packages: which are approved, and rejecting one."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deploy_model.approval import KEY, approval
from deploy_model.ledger import moment
from served_model import is_absent

__all__ = ["Package", "Packages"]

Package = Mapping[str, Any]

# SageMaker's limits: of ApprovalDescription, of a metadata value, and of how many there are.
DESCRIPTION_LIMIT, VALUE_LIMIT, PROPERTIES_LIMIT = 1024, 256, 50
PUNCTUATION = frozenset("_.:/=+-@")


class Packages:
    """The packages of one group.

    Needs: sagemaker:DescribeModelPackage, UpdateModelPackage and ListModelPackages of the group.
    """

    def __init__(self, group_name: str) -> None:
        self._sagemaker = boto3.client("sagemaker")
        self._group = group_name

    def find(self, arn: str) -> Package | None:
        """The described package; None if the group has none of that ARN."""
        if re.fullmatch(rf"arn:[^:]+:sagemaker:.*:model-package/{self._group}/\d+", arn) is None:
            return None
        try:
            package: Package = self._sagemaker.describe_model_package(ModelPackageName=arn)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return package

    def approved(self, also: str | None = None) -> list[Package]:
        """Every approved package, the one approved last first.

        Args:
            also: ARN of one that just changed, and that the list may not have yet.
        """
        pages = self._sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self._group, ModelApprovalStatus="Approved"
        )
        arns = {
            each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]
        }
        described = [self.find(arn) for arn in sorted(arns | ({also} if also else set()))]
        # The list may lag behind what each package says of itself.
        approved = [
            each for each in described if each and each["ModelApprovalStatus"] == "Approved"
        ]
        return sorted(approved, key=approval, reverse=True)

    def reject(self, package: Package, reason: str) -> None:
        """Reject a described package for a reason, and record the decision as people's are."""
        properties = package.get("CustomerMetadataProperties", {})
        recorded = {}
        # CloudFormation's words may have several lines; the pattern of a description takes one.
        reason = " ".join(reason.split())
        if len(properties) < PROPERTIES_LIMIT:
            numbers = [int(match[1]) for key in properties if (match := KEY.fullmatch(key))]
            recorded = {f"decision_{max(numbers, default=0) + 1:03}": _decision(reason)}
        self._sagemaker.update_model_package(
            ModelPackageArn=package["ModelPackageArn"],
            ModelApprovalStatus="Rejected",
            ApprovalDescription=reason[:DESCRIPTION_LIMIT],
            **({"CustomerMetadataProperties": recorded} if recorded else {}),
        )


def _decision(reason: str) -> str:
    """As `fraudloop` records and reads it."""
    by = boto3.client("sts").get_caller_identity()["Arn"]
    taken = "".join(character if _is_taken(character) else " " for character in reason)
    return f"{moment()} Rejected by {by}: {' '.join(taken.split())}"[:VALUE_LIMIT]


def _is_taken(character: str) -> bool:
    """Whether SageMaker takes a character in a metadata value: its pattern, in short."""
    return character in PUNCTUATION or unicodedata.category(character)[0] in "LNZ"
