"""The limits of an endpoint's alarms, beyond which it counts as unhealthy."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["HealthConfig", "ScoreLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLimits:
    """What the scores of one version may look like; each limit can be switched off with None.

    ScoreLimits(max_flagged_percent=10, max_mean=0.2)

    Attributes:
        min_answers: With fewer answers in five minutes, shares and means are not judged.
        max_flagged_percent: Share of the responses that may ask for review or decline.
        max_flagged_ratio: So many times the old fleet's share in the same minutes, beyond chance.
        min_mean: The least mean score; a model that finds nothing falls below it.
        max_mean: The largest mean score.
    """

    min_answers: int = 50
    max_flagged_percent: float | None = 20.0
    max_flagged_ratio: float | None = 4.0
    min_mean: float | None = None
    max_mean: float | None = 0.5

    def __post_init__(self) -> None:
        if self.min_answers < 1:
            raise ValueError(
                f"min_answers must be at least 1, got {self.min_answers}; a share of nothing is "
                "no share"
            )
        _check_percent("max_flagged_percent", self.max_flagged_percent)
        _check_ratio("max_flagged_ratio", self.max_flagged_ratio)
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
        max_failed_percent: Share of the requests that may fail (status 5xx), and of those to the
            version that is being deployed; more is an alarm if it is beyond chance.
        max_latency_milliseconds: The slowest hundredth of the requests may take so long.
        max_slowdown: So many times the median time of old and new fleet together the new one may
            take, beyond chance; None for any.
        max_degraded_percent: Share of the responses that may lack the online store's features. This
            alarm only notifies: it is the store that is ill, and no other version would be better.
        scores: What the scores of the version that is being deployed may look like.
    """

    max_failed_percent: float = 0.05
    max_latency_milliseconds: int = 500
    max_slowdown: float | None = 1.3
    max_degraded_percent: float | None = 20.0
    scores: ScoreLimits = field(default_factory=ScoreLimits)

    def __post_init__(self) -> None:
        _check_percent("max_failed_percent", self.max_failed_percent)
        _check_ratio("max_slowdown", self.max_slowdown)
        if self.max_latency_milliseconds < 1:
            raise ValueError(
                "max_latency_milliseconds must be at least 1, got "
                f"{self.max_latency_milliseconds}; give what callers can wait for"
            )
        _check_percent("max_degraded_percent", self.max_degraded_percent)


def _check_ratio(name: str, value: float | None) -> None:
    if value is not None and value <= 1:
        raise ValueError(
            f"{name} must be more than 1, got {value}; a version like the old one has a ratio of 1"
        )


def _check_percent(name: str, value: float | None) -> None:
    whole = 100
    if value is not None and not 0 <= value < whole:
        raise ValueError(
            f"{name} must be from 0 to less than {whole}, got {value}; use None for no limit"
        )
