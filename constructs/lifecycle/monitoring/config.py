"""The configuration of monitoring: engine, compute, schedules, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from lifecycle.jobs.job_requests import Compute
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.features.definitions import LABEL_DELAY

__all__ = [
    "DAY_HOURS",
    "LONGEST_DAYS",
    "AlarmLimits",
    "Engine",
    "MonitorSchedules",
    "MonitoringConfig",
]

Engine = Literal["model_monitor", "scheduled", "none"]

DAY_HOURS = 24
# CloudWatch evaluates a week at most.
LONGEST_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSchedules:
    """When each kind runs, and how far back it looks.

    Data quality runs every hour and looks at that hour. The others run once a day: at first the
    labels are brought up to date, then what needs them is judged. Times are hours of the day, UTC.

    Attributes:
        labels_hour: When fraud reports are joined with the predictions that they judge.
        model_quality_hour: When the scores are compared with the labels.
        bias_hour: When customer segments are compared.
        attribution_hour: When the ranks of the features are compared.
        labelled_hours: How far back model quality and bias look.
        attribution_hours: How far back attributions are looked at.
        label_delay_days: A prediction so old, without a fraud report, is taken for no fraud; by
            default what training takes.
    """

    labels_hour: int = 3
    model_quality_hour: int = 5
    bias_hour: int = 5
    attribution_hour: int = 4
    labelled_hours: int = 14 * DAY_HOURS
    attribution_hours: int = DAY_HOURS
    label_delay_days: int = LABEL_DELAY.days

    def __post_init__(self) -> None:
        for name in ("labels_hour", "model_quality_hour", "bias_hour", "attribution_hour"):
            hour = getattr(self, name)
            if not 0 <= hour < DAY_HOURS:
                raise ValueError(f"{name} must be between 0 and 23, got {hour}; give an hour, UTC")
        for name, least in (("attribution_hours", 1), ("label_delay_days", 0)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}; give a number")
        if self.labelled_hours <= self.label_delay_days * DAY_HOURS:
            raise ValueError(
                "labelled_hours must be more than label_delay_days, which are "
                f"{self.label_delay_days * DAY_HOURS} hours, got {self.labelled_hours}; what is "
                "younger has no label, and nothing would ever be judged"
            )

    @property
    def hours(self) -> Mapping[MonitorKind, int | None]:
        """The hour of the day at which each kind runs; None is every hour."""
        return MappingProxyType(
            {
                MonitorKind.DATA_QUALITY: None,
                MonitorKind.MODEL_QUALITY: self.model_quality_hour,
                MonitorKind.BIAS: self.bias_hour,
                MonitorKind.ATTRIBUTION: self.attribution_hour,
            }
        )

    @property
    def look_back_hours(self) -> Mapping[MonitorKind, int]:
        """How many hours each kind looks at."""
        return MappingProxyType(
            {
                MonitorKind.DATA_QUALITY: 1,
                MonitorKind.MODEL_QUALITY: self.labelled_hours,
                MonitorKind.BIAS: self.labelled_hours,
                MonitorKind.ATTRIBUTION: self.attribution_hours,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimits:
    """What operators are woken for, beside violations, each of which is an alarm.

    Attributes:
        missing_data_hours: Hours without any record analyzed for data quality.
        missing_data_days: Days without any record analyzed by a monitor that runs once a day, or
            without labels being looked for.
        label_maturity: Least share of the predictions within the labels' look-back that are old
            enough to be judged; a week's every day has to miss it. With steady traffic it is about
            one half.
        model_age_days: A model that was registered longer ago is stale.
    """

    missing_data_hours: int = 6
    missing_data_days: int = 2
    label_maturity: float = 0.1
    model_age_days: int = 60

    def __post_init__(self) -> None:
        for name in ("missing_data_hours", "missing_data_days", "model_age_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")
        for name, most in (
            ("missing_data_hours", LONGEST_DAYS * DAY_HOURS),
            ("missing_data_days", LONGEST_DAYS),
        ):
            value = getattr(self, name)
            if value > most:
                raise ValueError(
                    f"{name} must be at most {most}, got {value}; CloudWatch evaluates a week"
                )
        if not 0 <= self.label_maturity <= 1:
            raise ValueError(
                f"label_maturity must be between 0 and 1, got {self.label_maturity}; "
                "use 0 to never be woken for it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringConfig:
    """How the endpoint's traffic is watched.

    Attributes:
        engine: `model_monitor` runs the analyzer on SageMaker monitoring schedules, which only
            accounts that used Model Monitor before 2026-07-30 can create; `scheduled` runs the
            same analyzer as SageMaker pipelines that EventBridge Scheduler starts. With `none`
            nobody watches: no stack of monitors, no audit, and no retraining for drift.
        instance_type: Instance of the analyzer's jobs.
        volume_size_gib: Encrypted storage volume of the analyzer's jobs.
        max_runtime_minutes: An analysis that runs longer is stopped.
        schedules: When each kind runs, and how far back it looks.
        limits: What is an alarm, beside violations.
        alarm_email: Address subscribed to the alarms. If omitted, nobody is subscribed.
    """

    engine: Engine = "scheduled"
    instance_type: str = "ml.m5.large"
    volume_size_gib: int = 20
    max_runtime_minutes: int = 50
    schedules: MonitorSchedules = field(default_factory=MonitorSchedules)
    limits: AlarmLimits = field(default_factory=AlarmLimits)
    alarm_email: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise ValueError(
                f"engine must be one of {', '.join(get_args(Engine))}, got {self.engine}; "
                "use scheduled in an account that is new to Model Monitor"
            )
        if not 1 <= self.max_runtime_minutes <= 60:  # noqa: PLR2004
            raise ValueError(
                f"max_runtime_minutes must be between 1 and 60, got {self.max_runtime_minutes}; "
                "the analyzer starts every hour and has to end before the next start"
            )
        if self.volume_size_gib < 1:
            raise ValueError(
                f"volume_size_gib must be at least 1, got {self.volume_size_gib}; "
                "give a whole number"
            )

    @property
    def compute(self) -> Compute:
        """What an analysis runs on."""
        return Compute(
            instance_type=self.instance_type,
            volume_size_gib=self.volume_size_gib,
            max_runtime_minutes=self.max_runtime_minutes,
        )
