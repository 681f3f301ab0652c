"""The gate: no model is registered that misses a limit, and the refusal says which, by how much."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

__all__ = ["Candidate", "Champion", "Check", "Limits", "decide"]

UP_TO_ONE = ("floor", "champion_tolerance", "bias", "calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a challenger has to reach.

    The defaults leave room for the scatter of a week with twenty frauds. A share's limit of 1 (a
    floor of 0) switches its check off, as does a large number in the last two.

    Args:
        floor: The least average precision of any model.
        champion_tolerance: How far below the champion's average precision a challenger's may be,
            both on the same test rows.
        bias: How far recall may differ between customer segments, as far as that is beyond chance.
        calibration: The largest expected calibration error.
        latency: How many milliseconds one transaction may take, in 99 of 100.
        size: How many MiB the model's archive may have.
    """

    floor: float = 0.3
    champion_tolerance: float = 0.01
    bias: float = 0.3
    calibration: float = 0.015
    latency: float = 10.0
    size: float = 50.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in UP_TO_ONE:
                if not 0.0 <= value <= 1.0:
                    raise ValueError(
                        f"{field.name} must be between 0 and 1, got {value}; "
                        f"use {0 if field.name == 'floor' else 1} for no limit"
                    )
            elif not (isfinite(value) and value > 0.0):
                raise ValueError(
                    f"{field.name} must be above 0, got {value}; use a large number for no limit"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The approved model; its average precision is None if it cannot score these rows."""

    arn: str
    average_precision: float | None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What was measured of the challenger, in the units of `Limits`."""

    average_precision: float
    bias: float
    calibration: float
    latency: float
    size: float


@dataclass(frozen=True, slots=True)
class Check:
    """One limit and what was measured; for some more is better, for the others less."""

    value: float
    limit: float
    passed: bool
    failure: str

    def as_dict(self) -> dict[str, Any]:
        """What the pipeline's condition compares."""
        return {"value": self.value, "limit": self.limit, "passed": self.passed}


# The condition step compares numbers, so a margin there must be, even with nobody to lose to.
NO_RIVAL_MARGIN = 1.0


def decide(candidate: Candidate, champion: Champion | None, limits: Limits) -> dict[str, Any]:
    """The `gate` part of evaluation.json: every check, and the reason in words.

    The pipeline's condition step compares the checks' values with the same limits; the reason is
    what its Fail step says.
    """
    checks = {
        "floor": _floor(candidate, limits),
        "champion": _against_champion(candidate, champion, limits),
        "bias": _at_most(
            candidate.bias, limits.bias, "difference in recall between customer segments", ""
        ),
        "calibration": _at_most(
            candidate.calibration, limits.calibration, "expected calibration error", ""
        ),
        "latency": _at_most(candidate.latency, limits.latency, "latency", " ms"),
        "size": _at_most(candidate.size, limits.size, "size of the model", " MiB"),
    }
    failures = [check.failure for check in checks.values() if not check.passed]
    rival = None if champion is None else champion.average_precision
    return {
        "passed": not failures,
        "average_precision": candidate.average_precision,
        "champion_average_precision": 0.0 if rival is None else rival,
        "champion_margin": checks["champion"].value,
        "champion": "none" if champion is None else champion.arn,
        "checks": {name: check.as_dict() for name, check in checks.items()},
        "reason": "; ".join(failures) if failures else _praise(candidate, champion, checks),
    }


def _floor(candidate: Candidate, limits: Limits) -> Check:
    value, floor = candidate.average_precision, limits.floor
    failure = f"average precision {value:.4f} is {floor - value:.4f} below the floor {floor:.4f}"
    return Check(value, floor, value >= floor, failure)


def _against_champion(candidate: Candidate, champion: Champion | None, limits: Limits) -> Check:
    rival = None if champion is None else champion.average_precision
    if rival is None:
        return Check(NO_RIVAL_MARGIN, -limits.champion_tolerance, True, "")
    margin = candidate.average_precision - rival
    failure = (
        f"average precision {candidate.average_precision:.4f} is {-margin:.4f} below the "
        f"champion's {rival:.4f}, more than the tolerance {limits.champion_tolerance:.4f}"
    )
    return Check(margin, -limits.champion_tolerance, margin >= -limits.champion_tolerance, failure)


def _at_most(value: float, limit: float, name: str, unit: str) -> Check:
    failure = f"{name} {value:.4f}{unit} is {value - limit:.4f}{unit} above the limit "
    return Check(value, limit, value <= limit, f"{failure}{limit:.4f}{unit}")


def _praise(candidate: Candidate, champion: Champion | None, checks: Mapping[str, Check]) -> str:
    passed = (
        f"passed: average precision {candidate.average_precision:.4f} reaches the floor "
        f"{checks['floor'].limit:.4f}"
    )
    if champion is None:
        return f"{passed}; there is no champion yet"
    if champion.average_precision is None:
        return f"{passed}; the champion was not compared: {champion.remark}"
    return f"{passed} and is within tolerance of the champion's {champion.average_precision:.4f}"
