"""The data plane of Feature Store: records put, read and deleted.

These operations run on the event loop: each takes microseconds, a thread for it would cost more.
"""

from datetime import UTC, datetime
from typing import Any

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.feature_store.groups import FeatureGroups
from local_aws.sagemaker.feature_store.record_store import OnlineRecord
from local_aws.sagemaker.feature_store.schema import OFFLINE, ONLINE, Row, Schema, refused

_PAGE = 100


class FeatureRecords(FeatureGroups):
    """PutRecord and its siblings."""

    async def put_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a record; online only if no newer one is there."""
        self._put(request, None)
        return {}

    async def batch_write_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep up to 25 records of any groups; those that break a rule are given back."""
        errors = []
        for entry in request["Entries"]:
            try:
                self._put(entry, request.get("TtlDuration"))
            except ServiceError as error:
                failure = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"Entry": entry, **failure})
        return {"Errors": errors, "UnprocessedEntries": []}

    async def update_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change some features of a record that exists."""
        schema = self._schema(request["FeatureGroupName"])
        identifier = request["RecordIdentifierValueAsString"]
        kept = self._records.get(schema.name, identifier)
        if kept is None:
            raise ServiceError("ResourceNotFound", f"record {identifier} does not exist", 404)
        given = {f["FeatureName"]: f.get("ValueAsString") for f in request["Features"]}
        if given.get(schema.identifier, identifier) != identifier:
            raise refused(f"feature {schema.identifier} must stay {identifier}")
        if "TtlDuration" in request and schema.event_time not in given:
            raise refused("TtlDuration must come with an event time")
        merged = [*request["Features"]]
        merged += [
            {"FeatureName": name, "ValueAsString": value}
            for name, value in kept.values.items()
            if name not in given
        ]
        row = schema.row(merged, request.get("TtlDuration"))
        if row.event_us < kept.event_us:
            raise ServiceError("ConflictException", "the record has a newer event time", 409)
        self._write(schema, row, request.get("TargetStores"))
        return {}

    async def get_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """The newest record, or an empty answer."""
        schema = self._schema(request["FeatureGroupName"])
        schema.require_online()
        schema.check_names(request.get("FeatureNames"))
        kept = self._records.get(schema.name, request["RecordIdentifierValueAsString"])
        if kept is None:
            return {}
        answer: dict[str, Any] = {"Record": _features(kept, request.get("FeatureNames"))}
        return answer | _expiry(kept, request)

    async def batch_get_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """Records of several groups at once; what does not exist is left out."""
        records: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for asked in request["Identifiers"]:
            name, features = asked["FeatureGroupName"], asked.get("FeatureNames")
            try:
                schema = self._schema(name)
                schema.require_online()
                schema.check_names(features)
            except ServiceError as error:
                errors += _failures(asked, error)
                continue
            for identifier in asked["RecordIdentifiersValueAsString"]:
                kept = self._records.get(schema.name, identifier)
                if kept is not None:
                    record = {
                        "FeatureGroupName": name,
                        "RecordIdentifierValueAsString": identifier,
                        "Record": _features(kept, features),
                    }
                    records.append(record | _expiry(kept, request))
        return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}

    async def delete_record(self, request: dict[str, Any]) -> dict[str, Any]:
        """Delete a record; the offline store gets a marker."""
        schema = self._schema(request["FeatureGroupName"])
        identifier, event_time = request["RecordIdentifierValueAsString"], request["EventTime"]
        targets = schema.targets(request.get("TargetStores"))
        values = {schema.identifier: identifier, schema.event_time: event_time}
        event_us = schema.event_us(event_time)
        if ONLINE in targets:
            kept = self._records.get_any(schema.name, identifier)
            older = kept is not None and event_us <= kept.event_us
            if request.get("DeletionMode") == "HardDelete":
                if older:
                    raise refused("EventTime must be later than the record's event time")
                self._records.remove(schema.name, identifier)
            elif not older:
                marker = OnlineRecord(event_us, None, deleted=True, values=values)
                self._records.put(schema.name, identifier, marker)
        if OFFLINE in targets:
            self._records.append(schema.name, event_us, values, deleted=True)
        return {}

    async def list_records(self, request: dict[str, Any]) -> dict[str, Any]:
        """The identifiers of a group's records, in order."""
        schema = self._schema(request["FeatureGroupName"])
        schema.require_online()
        count = request.get("MaxResults", _PAGE)
        found = self._records.identifiers(
            schema.name,
            request.get("NextToken", ""),
            count + 1,
            with_deleted=request.get("IncludeSoftDeletedRecords", False),
        )
        more = {"NextToken": found[count - 1]} if len(found) > count else {}
        return {"RecordIdentifiers": found[:count], **more}

    def _put(self, entry: dict[str, Any], ttl: dict[str, Any] | None) -> None:
        schema = self._schema(entry["FeatureGroupName"])
        row = schema.row(entry["Record"], entry.get("TtlDuration", ttl))
        self._write(schema, row, entry.get("TargetStores"))

    def _write(self, schema: Schema, row: Row, asked: list[str] | None) -> None:
        targets = schema.targets(asked)
        if ONLINE in targets:
            kept = OnlineRecord(row.event_us, row.expires_us, deleted=False, values=row.values)
            self._records.put(schema.name, row.identifier, kept)
        if OFFLINE in targets:
            self._records.append(schema.name, row.event_us, row.values, deleted=False)


def _features(kept: OnlineRecord, names: list[str] | None) -> list[dict[str, str]]:
    return [
        {"FeatureName": name, "ValueAsString": value}
        for name, value in kept.values.items()
        if names is None or name in names
    ]


def _expiry(kept: OnlineRecord, request: dict[str, Any]) -> dict[str, str]:
    if request.get("ExpirationTimeResponse") != "Enabled" or kept.expires_us is None:
        return {}
    expires = datetime.fromtimestamp(kept.expires_us / 1_000_000, UTC)
    return {"ExpiresAt": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def _failures(asked: dict[str, Any], error: ServiceError) -> list[dict[str, Any]]:
    return [
        {
            "FeatureGroupName": asked["FeatureGroupName"],
            "RecordIdentifierValueAsString": identifier,
            "ErrorCode": error.code,
            "ErrorMessage": error.message,
        }
        for identifier in asked["RecordIdentifiersValueAsString"]
    ]
