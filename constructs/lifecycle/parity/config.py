"""The configuration of the parity audit: when, and how much of the endpoint's traffic."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifecycle.jobs.job_requests import Compute

__all__ = ["ParityAuditConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityAuditConfig:
    """When, and how much of it, the endpoint's traffic is audited.

    Attributes:
        schedule: A cron or rate expression that starts the audit of the last 24 hours, in UTC. If
            None, it runs when an operator starts it.
        sample: At most so many requests are audited.
        settle_minutes: Requests of the last so many minutes wait for the next audit: their events
            and records have to land first.
        lookback_days: How far back stored states are looked for whose vector equals batch's; one
            that differs is looked into however old its state.
        missing_data_days: Days without any audited request before the alarm for missing data.
        compute: What the audit runs on.
    """

    schedule: str | None = "cron(15 4 * * ? *)"
    sample: int = 500
    settle_minutes: int = 120
    lookback_days: int = 2
    missing_data_days: int = 2
    compute: Compute = field(
        default_factory=lambda: Compute(
            instance_type="ml.m5.xlarge", volume_size_gib=30, max_runtime_minutes=120
        )
    )

    def __post_init__(self) -> None:
        if self.schedule is not None and not self.schedule.startswith(("cron(", "rate(")):
            raise ValueError(
                f"schedule must be a cron(...) or rate(...) expression, got {self.schedule}; "
                "use one like cron(15 4 * * ? *)"
            )
        for name, least in (("sample", 1), ("settle_minutes", 0), ("lookback_days", 0)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}; give a number")
        if not 1 <= self.missing_data_days <= 7:  # noqa: PLR2004 - CloudWatch looks back no further
            raise ValueError(
                f"missing_data_days must be between 1 and 7, got {self.missing_data_days}; "
                "CloudWatch evaluates a week at most"
            )
