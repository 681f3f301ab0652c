"""The limits of an endpoint's alarms, beyond which it counts as unhealthy."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["HealthConfig", "ScoreLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLimits:
    """What the scores of one version may look like; each limit can be switched off with None.

    ScoreLimits(max_flagged_percent=10, max_mean=0.2)

    Attributes:
        min_answers: With fewer answers in a minute, nothing is judged.
        max_flagged_percent: Share of the responses that may ask for review or decline.
        min_mean: The least mean score; a model that finds nothing falls below it.
        max_mean: The largest mean score.
    """

    min_answers: int = 50
    max_flagged_percent: float | None = 20.0
    min_mean: float | None = None
    max_mean: float | None = 0.5

    def __post_init__(self) -> None:
        if self.min_answers < 1:
            raise ValueError(
                f"min_answers must be at least 1, got {self.min_answers}; a share of nothing is "
                "no share"
            )
        _check_percent("max_flagged_percent", self.max_flagged_percent)
        for name in ("min_mean", "max_mean"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(
                    f"{name} must be between 0 and 1, got {value}; scores are probabilities"
                )
        if self.min_mean is not None and self.max_mean is not None:
            self._check_order(self.min_mean, self.max_mean)

    @staticmethod
    def _check_order(least: float, most: float) -> None:
        if least >= most:
            raise ValueError(f"min_mean must be below max_mean of {most}, got {least}; swap them")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """What an endpoint may get wrong before its alarms go off.

    Attributes:
        max_errors_per_minute: More failed requests (status 5xx) in a minute are an alarm; so are
            more failed answers of the version that is being deployed.
        max_latency_milliseconds: The slowest hundredth of the requests may take so long.
        max_degraded_percent: Share of the responses that may lack the online store's features. This
            alarm only notifies: it is the store that is ill, and no other version would be better.
        scores: What the scores of the version that is being deployed may look like.
    """

    max_errors_per_minute: int = 0
    max_latency_milliseconds: int = 500
    max_degraded_percent: float | None = 20.0
    scores: ScoreLimits = field(default_factory=ScoreLimits)

    def __post_init__(self) -> None:
        if self.max_errors_per_minute < 0:
            raise ValueError(
                f"max_errors_per_minute must be at least 0, got {self.max_errors_per_minute}; "
                "use 0 to tolerate none"
            )
        if self.max_latency_milliseconds < 1:
            raise ValueError(
                "max_latency_milliseconds must be at least 1, got "
                f"{self.max_latency_milliseconds}; give what callers can wait for"
            )
        _check_percent("max_degraded_percent", self.max_degraded_percent)


def _check_percent(name: str, value: float | None) -> None:
    whole = 100
    if value is not None and not 0 <= value < whole:
        raise ValueError(
            f"{name} must be from 0 to less than {whole}, got {value}; use None for no limit"
        )
