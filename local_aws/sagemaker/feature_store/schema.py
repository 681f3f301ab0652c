"""The schema of a feature group: its features, their types, and the rules for a record."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local_aws.sagemaker.errors import ServiceError

ONLINE = "OnlineStore"
OFFLINE = "OfflineStore"

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_INTEGRAL = re.compile(r"[+-]?\d+")
_FRACTIONAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MOST_INTEGRAL = 2**63 - 1
_TTL_SECONDS = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}


@dataclass(frozen=True, slots=True)
class Row:
    """A record that passed the group's rules.

    Attributes:
        identifier: The record identifier's value.
        event_us: Event time in microseconds since the epoch.
        expires_us: When the online store forgets it; None for never.
        values: The features' values, in the group's order.
    """

    identifier: str
    event_us: int
    expires_us: int | None
    values: dict[str, str]


class Schema:
    """The rules of one feature group, compiled for the many records that come.

    Args:
        group: The group's document, as DescribeFeatureGroup gives it.
    """

    def __init__(self, group: dict[str, Any]) -> None:
        self.name: str = group["FeatureGroupName"]
        self.identifier: str = group["RecordIdentifierFeatureName"]
        self.event_time: str = group["EventTimeFeatureName"]
        self.types: dict[str, str] = {
            feature["FeatureName"]: feature["FeatureType"]
            for feature in group["FeatureDefinitions"]
        }
        online: dict[str, Any] = group.get("OnlineStoreConfig") or {}
        self.key: str | None = (online.get("SecurityConfig") or {}).get("KmsKeyId")
        stores = {
            ONLINE: bool(online.get("EnableOnlineStore")),
            OFFLINE: "OfflineStoreConfig" in group,
        }
        self.stores = frozenset(store for store, enabled in stores.items() if enabled)
        self.ttl_us = ttl_us(online.get("TtlDuration"))
        self._event_type = self.types[self.event_time]
        self._numbers = {n: t for n, t in self.types.items() if t != "String"}

    def row(self, record: list[dict[str, Any]], ttl: dict[str, Any] | None = None) -> Row:
        """A record as the stores keep it.

        Raises:
            ServiceError: A `ValidationError` that names the feature and the rule.
        """
        values: dict[str, str] = {}
        for feature in record:
            name, text = feature["FeatureName"], feature.get("ValueAsString")
            if text is None:
                raise refused(f"feature {name} must have a ValueAsString; leave the feature out")
            if name in values:
                raise refused(f"feature {name} must appear once in a record, got it twice")
            values[name] = text
        return self.checked(values, ttl)

    def checked(self, values: dict[str, str], ttl: dict[str, Any] | None = None) -> Row:
        """Features by name as the stores keep them.

        Raises:
            ServiceError: As `row` does.
        """
        self._check(values)
        event_us = self.event_us(values[self.event_time])
        life = self.ttl_us if ttl is None else ttl_us(ttl)
        expires_us = None if life is None else event_us + life
        return Row(values[self.identifier], event_us, expires_us, values)

    def _check(self, values: dict[str, str]) -> None:
        if not values.keys() <= self.types.keys():
            unknown = sorted(values.keys() - self.types.keys())
            raise refused(f"features {unknown} do not exist in FeatureGroup {self.name}")
        for name, what in (
            (self.identifier, "record identifier"),
            (self.event_time, "event time"),
        ):
            if not values.get(name):
                raise refused(f"the {what} feature {name} must have a value in every record")
        for name, kind in self._numbers.items():
            text = values.get(name)
            if text is not None and not (
                _is_integral(text) if kind == "Integral" else _is_fractional(text)
            ):
                raise refused(f"feature {name} must be {kind}, got '{text[:100]}'")

    def event_us(self, text: str) -> int:
        """An event time (ISO-8601 in a String, else Unix seconds) in microseconds of the epoch."""
        if self._event_type != "String":
            if not _is_fractional(text):
                raise refused(f"event time {self.event_time} must be Unix seconds, got '{text}'")
            return round(float(text) * 1_000_000)
        if not _ISO.fullmatch(text):
            raise refused(
                f"event time {self.event_time} must be like yyyy-MM-dd'T'HH:mm:ssZ or "
                f"yyyy-MM-dd'T'HH:mm:ss.SSSZ, got '{text[:100]}'"
            )
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError as error:
            raise refused(f"event time {self.event_time} must be a time: {error}") from error

    def targets(self, asked: list[str] | None) -> frozenset[str]:
        """The stores that a request is for: those it names, else all of the group's."""
        if asked is None:
            return self.stores
        missing = set(asked) - self.stores
        if missing:
            raise refused(
                f"TargetStores must be among {sorted(self.stores)}, got {sorted(missing)}"
            )
        return frozenset(asked)

    def require_online(self) -> None:
        """Refuse to read records of a group that has only an offline store."""
        if ONLINE not in self.stores:
            raise refused(f"FeatureGroup {self.name} must have an online store to read records")

    def check_names(self, names: list[str] | None) -> None:
        """Refuse to read features that the group does not have."""
        unknown = sorted(set(names or ()) - self.types.keys())
        if unknown:
            raise refused(f"features {unknown} do not exist in FeatureGroup {self.name}")


def refused(message: str) -> ServiceError:
    """The runtime's code for a request that breaks a rule."""
    return ServiceError("ValidationError", f"Validation Error: {message}")


def ttl_us(duration: dict[str, Any] | None) -> int | None:
    """A time to live in microseconds."""
    if duration is None:
        return None
    return int(duration["Value"]) * _TTL_SECONDS[duration["Unit"]] * 1_000_000


def _is_integral(text: str) -> bool:
    return bool(_INTEGRAL.fullmatch(text)) and abs(int(text)) <= _MOST_INTEGRAL


def _is_fractional(text: str) -> bool:
    return bool(_FRACTIONAL.fullmatch(text)) and math.isfinite(float(text))
