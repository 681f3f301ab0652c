"""When scheduled actions are due."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.autoscaling.schedules import next_time
from local_aws.sagemaker.errors import ServiceError

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()  # a Friday before a change of the clock
MOMENTS = st.floats(0, 4e9)


@given(after=MOMENTS, zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_cron_is_read_in_its_time_zone(after: float, zone: str) -> None:
    action = {"Schedule": "cron(30 7 ? * MON-FRI *)", "Timezone": zone}
    found = next_time(action, after)
    assert found is not None
    assert after < found <= after + 4 * 86_400
    local = datetime.fromtimestamp(found, ZoneInfo(zone))
    assert (local.hour, local.minute) == (7, 30)
    assert local.isoweekday() <= 5


@given(
    after=MOMENTS, start=MOMENTS, count=st.integers(1, 90), unit=st.sampled_from(["minute", "hour"])
)
def test_a_rate_counts_from_its_start(after: float, start: float, count: int, unit: str) -> None:
    step = count * {"minute": 60, "hour": 3600}[unit]
    found = next_time({"Schedule": f"rate({count} {unit}s)", "StartTime": start}, after)
    assert found is not None
    assert found >= start
    assert found > after or found == start
    assert found - max(after, start) <= step
    steps = (found - start) / step
    assert abs(steps - round(steps)) < 1e-6


@pytest.mark.parametrize(
    ("action", "due"),
    [
        ({"Schedule": "at(2026-03-29T08:00:00)"}, datetime(2026, 3, 29, 8, tzinfo=UTC)),
        (
            {"Schedule": "at(2026-03-29T08:00:00)", "Timezone": "Europe/Berlin"},
            datetime(2026, 3, 29, 6, tzinfo=UTC),
        ),
        ({"Schedule": "at(2026-03-27T12:00:00)"}, None),
        (
            {
                "Schedule": "cron(0 8 * * ? *)",
                "EndTime": datetime(2026, 3, 28, 7, tzinfo=UTC).timestamp(),
            },
            None,
        ),
        (
            {
                "Schedule": "cron(0 8 * * ? *)",
                "StartTime": datetime(2026, 4, 2, 9, tzinfo=UTC).timestamp(),
            },
            datetime(2026, 4, 3, 8, tzinfo=UTC),
        ),
    ],
)
def test_an_action_is_due(action: dict[str, Any], due: datetime | None) -> None:
    assert next_time(action, NOW) == (None if due is None else due.timestamp())


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"Schedule": "every day"}, "Schedule must be at"),
        ({"Schedule": "cron(0 8 * * * *)"}, "Schedule must be at"),
        ({"Schedule": "rate(0 minutes)"}, "at least 1"),
        ({"Schedule": "at(2026-02-30T08:00:00)"}, "a time that exists"),
        ({"Schedule": "at(2026-02-03T08:00:00)", "Timezone": "Mars"}, "Timezone must be"),
    ],
)
def test_what_cannot_be_read_is_refused(action: dict[str, Any], reason: str) -> None:
    with pytest.raises(ServiceError, match=reason):
        next_time(action, NOW)
