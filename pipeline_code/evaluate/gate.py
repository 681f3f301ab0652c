"""The gate: no model is registered below a floor, or if it loses to the champion."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a challenger has to reach, in average precision.

    Args:
        floor: The least average precision of any model.
        champion_tolerance: How far below the champion's a challenger's may be, both on the same
            test rows.
    """

    floor: float
    champion_tolerance: float

    def __post_init__(self) -> None:
        for name in ("floor", "champion_tolerance"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The approved model; its average precision is None if it cannot score these rows."""

    arn: str
    average_precision: float | None
    remark: str = ""


# The condition step compares numbers, so a margin there must be, even with nobody to lose to.
NO_RIVAL_MARGIN = 1.0


def decide(
    average_precision: float, champion: Champion | None, limits: Limits
) -> dict[str, object]:
    """The `gate` part of evaluation.json: both margins, and the reason in words.

    The pipeline's condition step compares the numbers with the same limits; the reason is what its
    Fail step says.
    """
    rival = None if champion is None else champion.average_precision
    margin = NO_RIVAL_MARGIN if rival is None else average_precision - rival
    failures = []
    if average_precision < limits.floor:
        failures.append(
            f"average precision {average_precision:.4f} is {limits.floor - average_precision:.4f} "
            f"below the floor {limits.floor:.4f}"
        )
    if rival is not None and margin < -limits.champion_tolerance:
        failures.append(
            f"average precision {average_precision:.4f} is {-margin:.4f} below the champion's "
            f"{rival:.4f}, more than the tolerance {limits.champion_tolerance:.4f}"
        )
    return {
        "passed": not failures,
        "average_precision": average_precision,
        "champion_average_precision": 0.0 if rival is None else rival,
        "champion_margin": margin,
        "champion": "none" if champion is None else champion.arn,
        "reason": "; ".join(failures) if failures else _praise(average_precision, champion, limits),
    }


def _praise(average_precision: float, champion: Champion | None, limits: Limits) -> str:
    passed = (
        f"passed: average precision {average_precision:.4f} reaches the floor {limits.floor:.4f}"
    )
    if champion is None:
        return f"{passed}; there is no champion yet"
    if champion.average_precision is None:
        return f"{passed}; the champion was not compared: {champion.remark}"
    return f"{passed} and is within tolerance of the champion's {champion.average_precision:.4f}"
