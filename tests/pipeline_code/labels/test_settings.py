"""What the job is told, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.environment import read
from pipeline_code.labels.settings import LabelSettings

ENVIRONMENT = {
    "CAPTURES_URI": "s3://captures/fraud/primary",
    "RAW_URI": "s3://raw/",
    "GROUND_TRUTH_URI": "s3://artifacts/monitoring/ground-truth/fraud",
    "LABEL_DELAY_DAYS": "7",
    "LOOK_BACK_HOURS": "24",
    "ENDPOINT_NAME": "fraud",
    "END_TIME": "2024-03-01T12:30:00Z",
}


def test_whole_hours_are_judged() -> None:
    settings = read(LabelSettings, ENVIRONMENT, BadInput)
    assert settings.interval.start == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert settings.interval.end == datetime(2024, 3, 1, 13, tzinfo=UTC)
    assert settings.now == datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
    assert settings.delay == timedelta(days=7)
    assert settings.metric_namespace is None


def test_it_is_now_if_nobody_says_otherwise() -> None:
    before = datetime.now(UTC)
    settings = read(
        LabelSettings, ENVIRONMENT | {"END_TIME": "", "METRIC_NAMESPACE": "fraudloop"}, BadInput
    )
    assert before <= settings.now <= datetime.now(UTC)
    assert settings.metric_namespace == "fraudloop"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("CAPTURES_URI", "", "CAPTURES_URI must be set, got none"),
        ("RAW_URI", "", "RAW_URI must be set, got none"),
        ("GROUND_TRUTH_URI", "", "GROUND_TRUTH_URI must be set, got none"),
        ("ENDPOINT_NAME", "", "ENDPOINT_NAME must be set, got none"),
        ("LABEL_DELAY_DAYS", "-1", "LABEL_DELAY_DAYS must be a whole number from 0 on, got -1"),
        ("LABEL_DELAY_DAYS", "", "LABEL_DELAY_DAYS must be a whole number from 0 on, got none"),
        ("LOOK_BACK_HOURS", "0", "LOOK_BACK_HOURS must be a whole number from 1 on, got 0"),
        ("END_TIME", "noon", "END_TIME must be an ISO-8601 time, got noon"),
    ],
)
def test_refused(name: str, value: str, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        read(LabelSettings, ENVIRONMENT | {name: value}, BadInput)
