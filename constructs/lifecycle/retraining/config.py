"""The configuration of retraining: what starts it, and what limits how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["RetrainingConfig"]

# Bias is for operators to judge: the same rows would teach the same.
DEFAULT_KINDS: Final = (
    MonitorKind.DATA_QUALITY,
    MonitorKind.MODEL_QUALITY,
    MonitorKind.ATTRIBUTION,
)
MOST_UNCURED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingConfig:
    """When the pipeline is started again.

    Attributes:
        kinds: Kinds of monitoring whose drift retrains; of the others, operators are told.
        cool_down_minutes: A retraining is not started again within so many minutes: until then the
            training window holds mostly the same rows. Operators are not held up by it.
        failed_cool_down_minutes: After a retraining that failed, or whose model the gate refused,
            so many minutes are enough, if that is less.
        daily_budget: Retrainings that may begin on a day (UTC). People's count, and are not held
            up by it.
        uncured_limit: After so many retrainings in a row that did not end the same kind of drift,
            it starts no more, and an operator is called.
        schedule: A cron or rate expression of EventBridge that retrains without any drift. If
            omitted, only drift retrains.
    """

    kinds: tuple[str, ...] = DEFAULT_KINDS
    cool_down_minutes: int = 7 * 24 * 60
    failed_cool_down_minutes: int = 60
    daily_budget: int = 2
    uncured_limit: int = 3
    schedule: str | None = None

    def __post_init__(self) -> None:
        known = [kind.value for kind in MonitorKind]
        for kind in self.kinds:
            if kind not in known:
                raise ValueError(
                    f"kinds must be of {', '.join(known)}, got {kind}; leave it out if its drift "
                    "is not to retrain"
                )
        for name in ("cool_down_minutes", "failed_cool_down_minutes"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {value}; every run of a monitor tells of the "
                    "same drift again"
                )
        if self.daily_budget < 1:
            raise ValueError(
                f"daily_budget must be at least 1, got {self.daily_budget}; use no kinds and no "
                "schedule to retrain by hand only"
            )
        if not 1 <= self.uncured_limit <= MOST_UNCURED:
            raise ValueError(
                f"uncured_limit must be between 1 and {MOST_UNCURED}, got {self.uncured_limit}; "
                "what retraining did not cure by then, it will not cure"
            )
        if self.schedule is not None and not self.schedule.startswith(("cron(", "rate(")):
            raise ValueError(
                f"schedule must be a cron(...) or rate(...) expression, got {self.schedule}; "
                "use one like rate(7 days)"
            )
