"""An environment with model packages of several versions of the features' schema."""

import json
from typing import Any
from uuid import uuid4

from local_aws.server import EmbeddedAws
from operations.models import approvals
from operations.target import Target
from pipeline_code.contracts.packages import NO_MODEL, spelled


class Registry:
    """An environment of its own with packages of several versions, and what runs of them."""

    def __init__(self, aws: EmbeddedAws, environment: str | None = None) -> None:
        self.name = environment or f"schema{uuid4().hex[:8]}"
        self.target = Target(self.name, aws.session(), aws.environment())
        group = f"group-{uuid4().hex[:8]}"
        # What describing the stacks would find.
        self.target.__dict__["outputs"] = {
            "ModelPackageGroupName": group,
            "EndpointName": group,
            "ApprovedModelParameterName": f"/{group}/approved",
            "ChallengerParameterName": f"/{group}/challenger",
            "DeploymentStateParameterName": f"/{group}/state",
        }
        self.sagemaker = self.target.client("sagemaker")
        self.sagemaker.create_model_package_group(ModelPackageGroupName=group)
        for name in ("approved", "challenger", "state"):
            self.put(name, NO_MODEL)

    def put(self, name: str, value: str) -> None:
        group = self.target.output("ModelPackageGroupName")
        self.target.client("ssm").put_parameter(
            Name=f"/{group}/{name}", Value=value, Type="String", Overwrite=True
        )

    def register(self, version: str, *, approved: bool = False) -> dict[str, Any]:
        container = {"Image": "image:1", "ModelDataUrl": "s3://raw/model.tar.gz"}
        arn = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.target.output("ModelPackageGroupName"),
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            CustomerMetadataProperties={"feature_schema_version": version},
        )["ModelPackageArn"]
        if approved:
            approvals.approve(self.target, arn, reason="it is good")
        return self.package(arn)

    def package(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_model_package(ModelPackageName=arn)
        return found

    def serve(self, package: dict[str, Any], *, before: dict[str, Any] | None = None) -> None:
        """Have the parameters say that it is deployed, and what it took the place of."""
        self.put("approved", spelled(package))
        previous = NO_MODEL if before is None else before["ModelPackageArn"]
        state = {"state": "InService", "model_package": package["ModelPackageArn"]}
        self.put("state", json.dumps(state | {"previous": previous, "reason": ""}))

    def make_groups(self, version: str) -> list[str]:
        names = [f"fraudloop-{self.name}-{entity}-{version}" for entity in ("customer", "terminal")]
        for name in names:
            self.sagemaker.create_feature_group(FeatureGroupName=name, **group_of_nothing())
        return names

    def statuses(self) -> list[str]:
        packages = self.sagemaker.list_model_packages(
            ModelPackageGroupName=self.target.output("ModelPackageGroupName")
        )["ModelPackageSummaryList"]
        numbered = {each["ModelPackageVersion"]: each["ModelApprovalStatus"] for each in packages}
        return [numbered[number] for number in sorted(numbered)]


def group_of_nothing() -> dict[str, Any]:
    names = ("id", "event_time")
    return {
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": [{"FeatureName": name, "FeatureType": "String"} for name in names],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
