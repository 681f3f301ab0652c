"""Settings of monitors that make no sense."""

from typing import Any

import pytest

from lifecycle.monitoring.monitoring import (
    AlarmLimits,
    MonitoringConfig,
    MonitorSchedules,
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "debugger"}, "engine must be one of model_monitor, scheduled, none, got debug"),
        ({"max_runtime_minutes": 61}, "max_runtime_minutes must be between 1 and 60, got 61"),
        ({"max_runtime_minutes": 0}, "max_runtime_minutes must be between 1 and 60, got 0"),
        ({"volume_size_gib": 0}, "volume_size_gib must be at least 1, got 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitoringConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bias_hour": 24}, "bias_hour must be between 0 and 23, got 24"),
        ({"labels_hour": -1}, "labels_hour must be between 0 and 23, got -1"),
        ({"attribution_hours": 0}, "attribution_hours must be at least 1, got 0"),
        ({"label_delay_days": -1}, "label_delay_days must be at least 0, got -1"),
        (
            {"labelled_hours": 168},
            "labelled_hours must be more than label_delay_days, which are 168 hours, got 168; ",
        ),
    ],
)
def test_schedules_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitorSchedules(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"missing_data_hours": 0}, "missing_data_hours must be at least 1, got 0"),
        ({"missing_data_hours": 169}, "missing_data_hours must be at most 168, got 169; CloudWa"),
        ({"missing_data_days": 8}, "missing_data_days must be at most 7, got 8; CloudWatch"),
        ({"model_age_days": 0}, "model_age_days must be at least 1, got 0"),
        ({"label_maturity": 1.5}, "label_maturity must be between 0 and 1, got 1.5"),
    ],
)
def test_limits_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlarmLimits(**values)
