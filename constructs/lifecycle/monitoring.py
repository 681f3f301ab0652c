"""Data-quality monitoring of the endpoint: the analyzer's schedule, alarms and dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Engine", "MonitoringConfig"]

Engine = Literal["model_monitor", "scheduled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringConfig:
    """How the endpoint's traffic is watched.

    Attributes:
        engine: `model_monitor` runs the analyzer on a SageMaker monitoring schedule, which only
            accounts that used Model Monitor before 2026-07-30 can create; `scheduled` runs the
            same analyzer as a SageMaker pipeline that EventBridge Scheduler starts.
        instance_type: Instance of the analyzer's job.
        volume_size_gib: Encrypted storage volume of the analyzer's job.
        max_runtime_minutes: An analysis that runs longer is stopped.
        missing_data_hours: Hours without any monitored record before the alarm for missing data.
        alarm_email: Address subscribed to the alarms. If omitted, nobody is subscribed.
    """

    engine: Engine = "scheduled"
    instance_type: str = "ml.m5.large"
    volume_size_gib: int = 20
    max_runtime_minutes: int = 50
    missing_data_hours: int = 6
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
        for name in ("volume_size_gib", "missing_data_hours"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")
