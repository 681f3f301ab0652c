"""The busiest requests of Feature Store, served without the detour over the service model.

A request of the plain form that clients send is read, checked by the group's rules and answered
here. Whatever is not of that form is left to the general way, which says what is wrong with it.
"""

import json
from typing import Any
from urllib.parse import unquote

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.feature_store.records import FeatureRecords
from local_aws.sagemaker.feature_store.schema import Schema
from local_aws.sagemaker.wire import Answer, write_error

_JSON = "application/json"
_RECORD = "/FeatureGroup/"
_MOST_ENTRIES = 25
_MOST_IDENTIFIERS = 100


class NotPlainError(Exception):
    """The request has another form than the plain one."""


class FeatureWire(FeatureRecords):
    """Serves PutRecord, BatchWriteRecord and BatchGetRecord from bytes to bytes."""

    def serve_directly(self, method: str, path: str, body: bytes) -> Answer | None:
        """The answer; None if the general way has to be taken."""
        try:
            if method == "PUT" and path.startswith(_RECORD):
                return self._put_directly(unquote(path.removeprefix(_RECORD)), json.loads(body))
            if method == "POST" and path == "/BatchGetRecord":
                return self._get_directly(json.loads(body))
            if method == "POST" and path == "/BatchWriteRecord":
                return self._write_directly(json.loads(body))
        except (NotPlainError, LookupError, TypeError, AttributeError, ValueError):
            return None
        except ServiceError as error:
            return write_error(error, rest=True)
        return None

    def _put_directly(self, name: str, document: dict[str, Any]) -> Answer:
        _require(document, {"Record"})
        schema = self._schema(name)
        self._write(schema, schema.checked(_values(document["Record"])), None)
        return 200, {"Content-Type": _JSON}, b""

    def _write_directly(self, document: dict[str, Any]) -> Answer:
        _require(document, {"Entries"})
        entries = document["Entries"]
        _require_length(entries, _MOST_ENTRIES)
        plain: list[tuple[Schema, dict[str, str]]] = []
        for entry in entries:
            _require(entry, {"FeatureGroupName", "Record"})
            plain.append((self._schema(entry["FeatureGroupName"]), _values(entry["Record"])))
        errors = []
        # Only from here on is anything written: the general way may still begin from the start.
        for entry, (schema, values) in zip(entries, plain, strict=True):
            try:
                self._write(schema, schema.checked(values), None)
            except ServiceError as error:
                failure = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"Entry": entry, **failure})
        return _answer({"Errors": errors, "UnprocessedEntries": []})

    def _get_directly(self, document: dict[str, Any]) -> Answer:
        _require(document, {"Identifiers"})
        _require_length(document["Identifiers"], _MOST_IDENTIFIERS)
        records = []
        for asked in document["Identifiers"]:
            _require(asked, {"FeatureGroupName", "RecordIdentifiersValueAsString"})
            name, identifiers = asked["FeatureGroupName"], asked["RecordIdentifiersValueAsString"]
            _require_length(identifiers, _MOST_IDENTIFIERS)
            try:
                schema = self._schema(name)
                schema.require_online()
            except ServiceError as error:
                raise NotPlainError from error  # the general way lists it among the errors
            for identifier in identifiers:
                kept = self._records.get(schema.name, identifier)
                if kept is None:
                    continue
                features = [
                    {"FeatureName": feature, "ValueAsString": value}
                    for feature, value in kept.values.items()
                ]
                records.append(
                    {
                        "FeatureGroupName": name,
                        "RecordIdentifierValueAsString": identifier,
                        "Record": features,
                    }
                )
        return _answer({"Records": records, "Errors": [], "UnprocessedIdentifiers": []})


def _answer(document: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": _JSON}, json.dumps(document).encode()


def _require(document: dict[str, Any], members: set[str]) -> None:
    if document.keys() != members:
        raise NotPlainError


def _require_length(items: list[Any], most: int) -> None:
    if type(items) is not list or not 1 <= len(items) <= most:
        raise NotPlainError


def _values(record: list[dict[str, str]]) -> dict[str, str]:
    values = {feature["FeatureName"]: feature["ValueAsString"] for feature in record}
    if len(values) != len(record) or set(map(type, values.values())) != {str}:
        raise NotPlainError
    return values
