"""Between which values a tuning job tries a hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["CategoricalRange", "ContinuousRange", "IntegerRange", "Range"]

Scaling = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]
SCALINGS: Final = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
MOST_VALUES: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousRange:
    """Numbers with a fraction.

    ContinuousRange(name="learning_rate", low=0.01, high=0.3, scaling="Logarithmic")

    Attributes:
        name: The hyperparameter.
        low: The lowest value.
        high: The highest value.
        scaling: How the search spreads over them. `Auto` lets SageMaker choose.
    """

    name: str
    low: float
    high: float
    scaling: Scaling = "Auto"

    def __post_init__(self) -> None:
        _check_numbers(self.name, self.low, self.high, self.scaling)
        if self.scaling == "ReverseLogarithmic" and not 0 <= self.low < self.high < 1:
            raise ValueError(
                f"range of {self.name} must be within 0 and 1 with scaling ReverseLogarithmic, got "
                f"{self.low} to {self.high}; use Logarithmic for others"
            )

    @property
    def tried(self) -> tuple[str, str]:
        """The ends, as training is given them."""
        return (str(float(self.low)), str(float(self.high)))

    def as_request(self) -> dict[str, Any]:
        """The range in SageMaker's words."""
        return _numbers(self.name, self.tried, self.scaling)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerRange:
    """Whole numbers.

    IntegerRange(name="max_depth", low=3, high=10)

    Attributes:
        name: The hyperparameter.
        low: The lowest value.
        high: The highest value.
        scaling: How the search spreads over them. `Auto` lets SageMaker choose.
    """

    name: str
    low: int
    high: int
    scaling: Scaling = "Auto"

    def __post_init__(self) -> None:
        _check_numbers(self.name, self.low, self.high, self.scaling)
        if self.scaling == "ReverseLogarithmic":
            raise ValueError(
                f"scaling of {self.name} must be for whole numbers, got ReverseLogarithmic; "
                "use Logarithmic"
            )
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError(
                f"range of {self.name} must be of whole numbers, got {self.low} to {self.high}; "
                "use ContinuousRange for others"
            )

    @property
    def tried(self) -> tuple[str, str]:
        """The ends, as training is given them."""
        return (str(self.low), str(self.high))

    def as_request(self) -> dict[str, Any]:
        """The range in SageMaker's words."""
        return _numbers(self.name, self.tried, self.scaling)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalRange:
    """Values that are listed.

    CategoricalRange(name="algorithm", values=["xgboost", "scikit-learn"])

    Attributes:
        name: The hyperparameter.
        values: All that are tried.
    """

    name: str
    values: Sequence[str]

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.values)) == len(self.values) <= MOST_VALUES:
            raise ValueError(
                f"values of {self.name} must be 1 to {MOST_VALUES} different ones, got "
                f"{', '.join(self.values) or 'none'}; list what is tried"
            )

    @property
    def tried(self) -> tuple[str, ...]:
        """The values, as training is given them."""
        return tuple(self.values)

    def as_request(self) -> dict[str, Any]:
        """The range in SageMaker's words."""
        return {"Name": self.name, "Values": list(self.values)}


Range = ContinuousRange | IntegerRange | CategoricalRange


def _check_numbers(name: str, low: float, high: float, scaling: str) -> None:
    if not low < high:
        raise ValueError(
            f"range of {name} must be from a lower to a higher number, got {low} to {high}; "
            "give one value as a hyperparameter"
        )
    if scaling not in SCALINGS:
        raise ValueError(
            f"scaling of {name} must be one of {', '.join(SCALINGS)}, got {scaling}; use Auto"
        )
    if scaling == "Logarithmic" and low <= 0:
        raise ValueError(
            f"range of {name} must be above 0 with scaling Logarithmic, got {low} to {high}; "
            "use Linear, or begin above 0"
        )


def _numbers(name: str, ends: tuple[str, str], scaling: str) -> dict[str, Any]:
    return {"Name": name, "MinValue": ends[0], "MaxValue": ends[1], "ScalingType": scaling}
