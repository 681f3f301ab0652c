"""The registry's group of model packages: which are approved, and rejecting one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pipeline_code.contracts.decisions import (
    APPROVED,
    DESCRIPTION_LIMIT,
    PROPERTIES_LIMIT,
    REJECTED,
    ApprovalDecision,
    approval,
    next_decision_key,
    utc_text,
)

from served_model import is_absent

__all__ = ["Package", "Packages"]

Package = Mapping[str, Any]


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
            ModelPackageGroupName=self._group, ModelApprovalStatus=APPROVED
        )
        arns = {
            each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]
        }
        described = [self.find(arn) for arn in sorted(arns | ({also} if also else set()))]
        # The list may lag behind what each package says of itself.
        approved = [each for each in described if each and each["ModelApprovalStatus"] == APPROVED]
        return sorted(approved, key=approval, reverse=True)

    def reject(self, package: Package, reason: str) -> None:
        """Reject a described package for a reason, and record the decision as an operator's are."""
        properties = package.get("CustomerMetadataProperties", {})
        recorded = {}
        # CloudFormation's words may have several lines; the pattern of a description takes one.
        reason = " ".join(reason.split())
        if len(properties) < PROPERTIES_LIMIT:
            decision = ApprovalDecision(
                at=utc_text(datetime.now(UTC)),
                status=REJECTED,
                by=boto3.client("sts").get_caller_identity()["Arn"],
                reason=reason,
            )
            recorded = {next_decision_key(package): decision.text()}
        self._sagemaker.update_model_package(
            ModelPackageArn=package["ModelPackageArn"],
            ModelApprovalStatus=REJECTED,
            ApprovalDescription=reason[:DESCRIPTION_LIMIT],
            **({"CustomerMetadataProperties": recorded} if recorded else {}),
        )
