"""The control plane of Feature Store: groups made, described, extended and deleted."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.sagemaker import quotas
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, in_use, unsupported, validation
from local_aws.sagemaker.feature_store.offline import OfflineStore, catalog_config
from local_aws.sagemaker.feature_store.record_store import RecordStore
from local_aws.sagemaker.feature_store.schema import Schema
from local_aws.sagemaker.queries import page, select
from local_aws.sagemaker.volumes import check_records

KIND = "feature-group"
_LOG = logging.getLogger(__name__)
_RESERVED = frozenset({"is_deleted", "write_time", "api_invocation_time"})
_KEPT = (
    "FeatureGroupName", "RecordIdentifierFeatureName", "EventTimeFeatureName",
    "FeatureDefinitions", "OnlineStoreConfig", "OfflineStoreConfig", "ThroughputConfig",
    "RoleArn", "Description",
)  # fmt: skip
_SUMMARY = (
    "FeatureGroupName", "FeatureGroupArn", "FeatureGroupStatus", "OfflineStoreStatus",
    "CreationTime",
)  # fmt: skip


class FeatureGroups:
    """CreateFeatureGroup and its siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = RecordStore(context.state_dir / "feature-store.db")
        self._offline = OfflineStore(context, self._records, self._group)
        self._schemas: dict[str, Schema] = {}
        self._creating = threading.Lock()

    def recover(self) -> None:
        """Go on writing what the last run left pending."""
        self._offline.start()

    def shutdown(self) -> None:
        """Begin anew after a restart; what is pending goes to the offline store then."""
        self._schemas.clear()

    def create_feature_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a group; it is `Creating` until its Glue table exists."""
        _check_definition(request)
        name = request["FeatureGroupName"]
        now = time.time()
        arn = self._context.arn(KIND, name)
        group = {key: request[key] for key in _KEPT if key in request}
        group |= {"FeatureGroupArn": arn, "CreationTime": now, "LastModifiedTime": now}
        group["FeatureGroupStatus"] = "Creating"
        if "OfflineStoreConfig" in group:
            group["OfflineStoreConfig"] = catalog_config(self._context, group)
            group["OfflineStoreStatus"] = {"Status": "Active"}
        with self._context.store.transaction():
            _check_quotas(self._context.store.list(KIND))
            added = self._context.store.add(KIND, name, group)
        if not added:
            raise in_use(
                f"Resource Already Exists: FeatureGroup with name {name} already exists. "
                "Choose a different name."
            )
        self._records.forget(name)
        self._schemas.clear()
        self._announce(group)
        threading.Thread(target=self._finish, args=(group,), daemon=True).start()
        return {"FeatureGroupArn": arn}

    def _finish(self, group: dict[str, Any]) -> None:
        outcome: dict[str, Any] = {"FeatureGroupStatus": "Created"}
        try:
            if "OfflineStoreConfig" in group:
                self._offline.prepare(group)
        except Exception as error:
            _LOG.warning("feature group %s failed", group["FeatureGroupName"], exc_info=True)
            outcome = {"FeatureGroupStatus": "CreateFailed", "FailureReason": str(error)}
        changed = self._context.store.update(
            KIND, group["FeatureGroupName"], lambda document: document.update(outcome)
        )
        if changed is not None:
            self._announce(changed)

    def describe_feature_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a group."""
        group = self._group(request["FeatureGroupName"])
        if group.get("OnlineStoreConfig", {}).get("EnableOnlineStore"):
            group["OnlineStoreTotalSizeBytes"] = self._records.size(group["FeatureGroupName"])
        return group

    def update_feature_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Add features, or change the time to live or throughput."""
        group = self._group(request["FeatureGroupName"])
        name = group["FeatureGroupName"]
        changed = dict(group)
        if request.get("FeatureAdditions"):
            changed["FeatureDefinitions"] = [
                *group["FeatureDefinitions"], *request["FeatureAdditions"]
            ]  # fmt: skip
        if "OnlineStoreConfig" in request:
            changed["OnlineStoreConfig"] = {
                **group.get("OnlineStoreConfig", {}), **request["OnlineStoreConfig"]
            }  # fmt: skip
        if "ThroughputConfig" in request:
            changed["ThroughputConfig"] = request["ThroughputConfig"]
        _check_definition(changed)
        changed["LastModifiedTime"] = time.time()
        changed["LastUpdateStatus"] = {"Status": "Successful"}
        if "OfflineStoreConfig" in changed and request.get("FeatureAdditions"):
            self._offline.prepare(changed)
        self._context.store.put(KIND, name, changed)
        self._schemas.clear()
        self._announce(changed)
        return {"FeatureGroupArn": changed["FeatureGroupArn"]}

    def delete_feature_group(self, request: dict[str, Any]) -> dict[str, Any]:
        """Delete a group and its online records; S3 data and the Glue table stay, as on AWS."""
        group = self._group(request["FeatureGroupName"])
        name = group["FeatureGroupName"]
        self._offline.flush(name)
        self._context.store.delete(KIND, name)
        self._schemas.clear()
        self._records.forget(name)
        self._announce({**group, "FeatureGroupStatus": "Deleting"})
        return {}

    def list_feature_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of groups."""
        status = request.get("FeatureGroupStatusEquals")
        groups = [
            group
            for group in self._context.store.list(KIND)
            if status in (None, group["FeatureGroupStatus"])
        ]
        found = select(groups, request, name="FeatureGroupName", status="FeatureGroupStatus")
        return page(found, request, "FeatureGroupSummaries", _summary)

    def flush(self) -> None:
        """Write all that is pending to the offline stores now."""
        self._offline.flush()

    def _group(self, name_or_arn: str) -> dict[str, Any]:
        name = name_or_arn.rpartition("/")[2]
        group = self._context.store.get(KIND, name)
        if group is None:
            raise missing(name)
        return group

    def _schema(self, name_or_arn: str) -> Schema:
        """The rules of a group, from memory after the first record."""
        schema = self._schemas.get(name_or_arn)
        if schema is None:
            group = self._group(name_or_arn)
            if group["FeatureGroupStatus"] != "Created":
                raise ServiceError(
                    "ValidationError",
                    f"FeatureGroup {group['FeatureGroupName']} must be Created, "
                    f"got {group['FeatureGroupStatus']}; wait until it is",
                )
            schema = self._schemas[name_or_arn] = Schema(group)
        check_records(schema.key)
        return schema

    def _announce(self, group: dict[str, Any]) -> None:
        detail = {**group, "CreationTime": int(group["CreationTime"] * 1000)}
        detail["LastModifiedTime"] = int(group["LastModifiedTime"] * 1000)
        self._context.emit_event(
            "SageMaker Feature Group State Change", detail, [group["FeatureGroupArn"]]
        )


def _check_quotas(groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a group that is one too many, in the words that SuperCowPowers/workbench quotes."""
    creating = sum(group["FeatureGroupStatus"] == "Creating" for group in groups)
    parallel = "Maximum number of feature group creation workflows executing in parallel"
    quotas.check(parallel, creating, 1, "FeatureGroups")
    quotas.check(
        "Maximum number of feature groups per AWS account", len(groups), 1, "FeatureGroups"
    )


def _summary(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: group[key] for key in _SUMMARY if key in group}


def missing(name: str) -> ServiceError:
    """The answer of all operations for a group that does not exist."""
    message = f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"
    return ServiceError("ResourceNotFound", message, 404)


def _check_definition(group: dict[str, Any]) -> None:
    features = {f["FeatureName"]: f["FeatureType"] for f in group["FeatureDefinitions"]}
    names = [feature["FeatureName"].lower() for feature in group["FeatureDefinitions"]]
    if len(set(names)) < len(names):
        raise validation("FeatureDefinitions must have unique names, whatever their case")
    if reserved := sorted(_RESERVED & set(names)):
        raise validation(f"FeatureDefinitions must not use the reserved names {reserved}")
    if group.get("OfflineStoreConfig", {}).get("TableFormat", "Glue") != "Glue":
        raise unsupported("tables of format Iceberg", "leave TableFormat out, or give Glue")
    for definition in group["FeatureDefinitions"]:
        if definition.get("CollectionType"):
            raise unsupported("CollectionType", "keep collections in one String feature")
    for member, types in (
        ("RecordIdentifierFeatureName", ("String", "Integral")),
        ("EventTimeFeatureName", ("String", "Fractional")),
    ):
        if features.get(group[member]) not in types:
            raise validation(
                f"{member} must name one of FeatureDefinitions, of type {' or '.join(types)}, "
                f"got {group[member]} of type {features.get(group[member])}"
            )
    online = group.get("OnlineStoreConfig", {}).get("EnableOnlineStore")
    if not online and "OfflineStoreConfig" not in group:
        raise validation("Either OnlineStoreConfig or OfflineStoreConfig must be enabled")
    if "OfflineStoreConfig" in group and "RoleArn" not in group:
        raise validation("RoleArn must be given for a FeatureGroup with an offline store")
