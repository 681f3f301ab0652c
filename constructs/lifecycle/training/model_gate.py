"""The gate: what a model has to reach to be registered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY

__all__ = ["GateConfig"]

SHARES = ("average_precision_floor", "champion_tolerance", "bias_limit", "calibration_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """How a model is judged. A model that misses one of the limits is not registered.

    GateConfig(bias_limit=0.2, latency_limit_milliseconds=5)

    A floor of 0 and any other share of 1 switch a check off; so does a number for latency or size
    that no model reaches.

    Attributes:
        average_precision_floor: The least average precision.
        champion_tolerance: How much average precision it may lose to the champion.
        bias_limit: How far recall may differ between customer segments, beyond chance.
        calibration_limit: The largest expected calibration error.
        latency_limit_milliseconds: How long one transaction may take to score, 99 times in 100.
        size_limit_mib: The largest size of the model's archive.
        reviews_per_day: How many cards people can review in a day. The threshold that the
            evaluation proposes, and what it says of a review's yield, are for so many.
        decline_precision: What is declined without a review has to be fraud in such a part of the
            test window's cases; the evaluation proposes a threshold for that too.
    """

    average_precision_floor: float = 0.3
    champion_tolerance: float = 0.01
    bias_limit: float = 0.3
    calibration_limit: float = 0.015
    latency_limit_milliseconds: float = 10.0
    size_limit_mib: float = 50.0
    reviews_per_day: int = CARDS_REVIEWED_A_DAY
    decline_precision: float = 0.95

    def __post_init__(self) -> None:
        for name in SHARES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                off = 0 if name == "average_precision_floor" else 1
                raise ValueError(
                    f"{name} must be between 0 and 1, got {value}; use {off} for no limit"
                )
        for name in ("latency_limit_milliseconds", "size_limit_mib"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{name} must be above 0, got {value}; use a large number for no limit"
                )
        if self.reviews_per_day < 1:
            raise ValueError(
                f"reviews_per_day must be at least 1, got {self.reviews_per_day}; "
                "give the number of cards"
            )
        if not 0 < self.decline_precision <= 1:
            raise ValueError(
                f"decline_precision must be above 0 and at most 1, got {self.decline_precision}; "
                "use 1 to decline only what no genuine transaction came near"
            )
