"""The handlers that create, update and delete each CloudFormation resource type."""

import secrets
import time
from typing import Any

from local_aws import adapter
from local_aws.sagemaker.cloudformation.api import Api
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]

_POLL_SECONDS = 0.1
# A name has at most 63 characters.
_LONGEST_ID = 50


class Resource:
    """A resource type whose properties are its operation's members.

    Args:
        api: The service.
        context: Shared state.
        noun: The type's last part, such as `Model`; its operations are `CreateModel` and so on.
        name_member: The property that names a resource. If omitted, the noun with `Name`.
    """

    service = "SageMaker"
    has_tags = True
    # Primary identifier of what CloudFormation may adopt here.
    identifier: str | None = None

    def __init__(
        self,
        api: Api,
        context: Context,
        noun: str,
        *,
        name_member: str | None = None,
    ) -> None:
        self.type_name = f"AWS::{self.service}::{noun}"
        self._api = api
        self._context = context
        self._noun = noun
        self.name_member = f"{noun}Name" if name_member is None else name_member

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Make one; Ref and the attributes of GetAtt."""
        name = properties.get(self.name_member)
        if name is None:
            # After the logical ID alone: "HuntModel" of the stack CdkRealDriftIntegSmEpcMin
            # became model/HuntModel-gv2gcUBdX0FA (go-to-k/cdk-real-drift #1527).
            name = f"{logical_id[:_LONGEST_ID]}-{secrets.token_hex(6)}"
        named = {**self.request(properties), self.name_member: name}
        self._api.call(f"Create{self._noun}", named)
        try:
            self.wait(name)
        except ValueError:
            made, _ = self.provisioned(name)
            adapter.note_failed_creation(self.type_name, stack_name, logical_id, made, properties)
            raise
        return self.provisioned(name)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack_name: str
    ) -> Provisioned:
        """Change one in place: here, its tags."""
        name = self.name_of(physical_id)
        self.change(name, old, new, stack_name)
        self._retag(name, old, new)
        return self.provisioned(name)

    def delete(self, physical_id: str, _properties: Properties) -> None:
        """Delete one; one that is gone already is as good."""
        name = self.name_of(physical_id)
        if self.describe(name) is None:
            return
        self._api.call(f"Delete{self._noun}", {self.name_member: name})
        while self.describe(name) is not None:
            time.sleep(_POLL_SECONDS)

    def exists(self, identifier: str) -> bool:
        """Whether there is one of that identifier."""
        return self.describe(self.name_of(identifier)) is not None

    def adopt(self, identifier: str) -> Provisioned:
        """Ref and the attributes of GetAtt of one that exists."""
        return self.provisioned(self.name_of(identifier))

    def request(self, properties: Properties) -> dict[str, Any]:
        """The operation's request, but for the name."""
        return properties

    def wait(self, name: str) -> None:
        """Return once the resource is there; ValueError if it has failed."""

    def change(self, name: str, old: Properties, new: Properties, stack_name: str) -> None:
        """Change all but the tags."""

    def provisioned(self, name: str) -> Provisioned:
        """Ref (here: the ARN) and the attributes of GetAtt."""
        arn = self.arn(name)
        attributes = {self.name_member: name, f"{self._noun}Arn": arn}
        return arn, attributes

    def describe(self, name: str) -> dict[str, Any] | None:
        """The resource, or None if there is none."""
        try:
            return self._api.operate(f"Describe{self._noun}", {self.name_member: name})
        except ServiceError:
            return None

    def arn(self, name: str) -> str:
        """The resource's ARN."""
        described = self.describe(name)
        if described is None:
            raise ValueError(f"{self.type_name} {name} must exist, got none")
        return str(next(v for k, v in described.items() if k.endswith("Arn") and name in str(v)))

    def name_of(self, physical_id: str) -> str:
        """The name in what Ref gives."""
        return physical_id.rpartition("/")[2]

    def _retag(self, name: str, old: Properties, new: Properties) -> None:
        before = {tag["Key"]: str(tag["Value"]) for tag in old.get("Tags") or ()}
        after = {tag["Key"]: str(tag["Value"]) for tag in new.get("Tags") or ()}
        if before == after or not self.has_tags:
            return
        arn = self.arn(name)
        if gone := sorted(before.keys() - after.keys()):
            self._api.call("DeleteTags", {"ResourceArn": arn, "TagKeys": gone})
        if after:
            tags = [{"Key": key, "Value": value} for key, value in after.items()]
            self._api.call("AddTags", {"ResourceArn": arn, "Tags": tags})


class Pipeline(Resource):
    """AWS::SageMaker::Pipeline; Ref gives the name."""

    def request(self, properties: Properties) -> dict[str, Any]:
        definition = properties["PipelineDefinition"]
        request = {k: v for k, v in properties.items() if k != "PipelineDefinition"}
        if "PipelineDefinitionBody" in definition:
            return {**request, "PipelineDefinition": definition["PipelineDefinitionBody"]}
        place = definition["PipelineDefinitionS3Location"]
        renamed = {"Bucket": place["Bucket"], "ObjectKey": place["Key"]}
        if "Version" in place:
            renamed["VersionId"] = place["Version"]
        return {**request, "PipelineDefinitionS3Location": renamed}

    def change(self, name: str, _old: Properties, new: Properties, _stack: str) -> None:
        self._api.call("UpdatePipeline", {**self.request(new), "PipelineName": name})

    def provisioned(self, name: str) -> Provisioned:
        return name, {}


class ModelPackageGroup(Resource):
    """AWS::SageMaker::ModelPackageGroup."""

    identifier = "ModelPackageGroupArn"

    def provisioned(self, name: str) -> Provisioned:
        described = self.describe(name) or {}
        members = ("CreationTime", "ModelPackageGroupArn", "ModelPackageGroupStatus")
        return self.arn(name), {k: str(described[k]) for k in members if k in described}


class FeatureGroup(Resource):
    """AWS::SageMaker::FeatureGroup; Ref gives the name."""

    identifier = "FeatureGroupName"

    def wait(self, name: str) -> None:
        while (group := self.describe(name)) and group["FeatureGroupStatus"] == "Creating":
            time.sleep(_POLL_SECONDS)
        if group is None or group["FeatureGroupStatus"] != "Created":
            raise ValueError(
                f"FeatureGroup {name} could not be created: {(group or {}).get('FailureReason')}"
            )

    def change(self, name: str, old: Properties, new: Properties, _stack: str) -> None:
        before = {f["FeatureName"]: f for f in old["FeatureDefinitions"]}
        after = {f["FeatureName"]: f for f in new["FeatureDefinitions"]}
        lost = sorted(n for n, feature in before.items() if after.get(n) != feature)
        if lost:
            raise ValueError(f"FeatureDefinitions may only be added to, got changes of {lost}")
        request: dict[str, Any] = {"FeatureGroupName": name}
        if added := [after[n] for n in after.keys() - before.keys()]:
            request["FeatureAdditions"] = added
        if old.get("ThroughputConfig") != new.get("ThroughputConfig"):
            request["ThroughputConfig"] = new["ThroughputConfig"]
        was, is_ = old.get("OnlineStoreConfig", {}), new.get("OnlineStoreConfig", {})
        if was.get("TtlDuration") != is_.get("TtlDuration"):
            request["OnlineStoreConfig"] = {"TtlDuration": is_["TtlDuration"]}
        if len(request) > 1:
            self._api.call("UpdateFeatureGroup", request)

    def provisioned(self, name: str) -> Provisioned:
        group = self.describe(name) or {}
        members = ("CreationTime", "FeatureGroupStatus")
        return name, {member: str(group[member]) for member in members if member in group}


class MonitoringSchedule(Resource):
    """AWS::SageMaker::MonitoringSchedule."""

    def change(self, name: str, old: Properties, new: Properties, _stack: str) -> None:
        if old.get("MonitoringScheduleConfig") != new["MonitoringScheduleConfig"]:
            self._api.call("UpdateMonitoringSchedule", {**new, self.name_member: name})
