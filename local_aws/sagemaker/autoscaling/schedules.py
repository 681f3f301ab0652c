"""The due times of Auto Scaling's scheduled actions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_aws.adapter.schedules import next_cron_time
from local_aws.sagemaker.errors import validation

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


def next_time(action: Mapping[str, Any], after: float) -> float | None:
    """The first time after another one at which an action is due; None if there is none.

    Args:
        action: With `Schedule`, and `Timezone`, `StartTime`, `EndTime` and `CreationTime` if it
            has them; times are seconds since the epoch.
        after: Seconds since the epoch.

    Raises:
        ServiceError: If the schedule or its time zone cannot be read.
    """
    begin = action.get("StartTime")
    after = after if begin is None else max(after, begin - 1.0)
    found = _next(action, after)
    end = action.get("EndTime")
    return None if found is None or (end is not None and found > end) else found


def _next(action: Mapping[str, Any], after: float) -> float | None:
    schedule, zone = action["Schedule"], _zone(action.get("Timezone", "UTC"))
    if at := _AT.fullmatch(schedule):
        moment = _moment(at[1], zone)
        return moment if moment > after else None
    if rate := _RATE.fullmatch(schedule):
        return _next_of_rate(action, float(rate[1]) * _SECONDS[rate[2]], after)
    try:
        found = next_cron_time(schedule, datetime.fromtimestamp(after, zone))
    except ValueError as error:
        raise validation(
            "Schedule must be at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields), got "
            f"{schedule}"
        ) from error
    return None if found is None else found.timestamp()


def _next_of_rate(action: Mapping[str, Any], seconds: float, after: float) -> float:
    if seconds <= 0:
        raise validation(f"Schedule must have a rate of at least 1, got {action['Schedule']}")
    anchor = float(action.get("StartTime", action.get("CreationTime", after)))
    if after < anchor:
        return anchor
    return anchor + seconds * ((after - anchor) // seconds + 1)


def _moment(text: str, zone: ZoneInfo) -> float:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise validation(f"Schedule must name a time that exists, got at({text})") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise validation(
            f"Timezone must be a canonical name such as Europe/Berlin, got {name}"
        ) from error


def iso_seconds(value: Any) -> Any:
    """A template's time as seconds since the epoch; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
