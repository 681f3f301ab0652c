"""Ranges of hyperparameters: the space that a tuning job searches."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.errors import unsupported, validation

Values = dict[str, str]

# From this ratio on, Auto takes a range of positive numbers to span orders of magnitude.
_ORDERS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A continuous or an integer range.

    Args:
        name: The hyperparameter.
        low: Its least value.
        high: Its greatest.
        integer: Whether only whole numbers are meant.
        scaling: `Linear`, `Logarithmic` or `ReverseLogarithmic`.
    """

    name: str
    low: float
    high: float
    integer: bool
    scaling: str

    @property
    def choices(self) -> list[str] | None:
        """All its values, if they can be counted."""
        if not self.integer:
            return [self._text(self.low)] if self.low == self.high else None
        return [str(number) for number in range(int(self.low), int(self.high) + 1)]

    @property
    def width(self) -> int:
        """How many coordinates `encode` gives."""
        return 1

    def at(self, unit: float) -> str:
        """The value at a place between 0 and 1, even on the range's scale."""
        low, high = self._scaled_ends()
        return self._text(self._unscale(low + unit * (high - low)))

    def encode(self, text: str) -> list[float] | None:
        """Where a value lies between 0 and 1; None outside the range."""
        try:
            value = float(text)
        except ValueError:
            return None
        if not self.low <= value <= self.high:
            return None
        low, high = self._scaled_ends()
        return [0.5 if low == high else (self._scale(value) - low) / (high - low)]

    def _scaled_ends(self) -> tuple[float, float]:
        # Each whole number gets the half units around it, so that the ends are as likely as others.
        margin = 0.5 if self.integer else 0.0
        return self._scale(self.low - margin), self._scale(self.high + margin)

    def _scale(self, value: float) -> float:
        if self.scaling == "Logarithmic":
            return math.log(value)
        return -math.log1p(-value) if self.scaling == "ReverseLogarithmic" else value

    def _unscale(self, value: float) -> float:
        if self.scaling == "Logarithmic":
            return math.exp(value)
        return -math.expm1(-value) if self.scaling == "ReverseLogarithmic" else value

    def _text(self, value: float) -> str:
        value = min(max(value, self.low), self.high)
        return (
            str(min(max(round(value), int(self.low)), int(self.high)))
            if self.integer
            else (repr(value))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A choice among words.

    Args:
        name: The hyperparameter.
        choices: Its values.
    """

    name: str
    choices: list[str]

    @property
    def width(self) -> int:
        """How many coordinates `encode` gives."""
        return len(self.choices)

    def at(self, unit: float) -> str:
        """The value at a place between 0 and 1."""
        return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]

    def encode(self, text: str) -> list[float] | None:
        """One coordinate for each value, of which one is 1: no two are closer than others."""
        if text not in self.choices:
            return None
        return [float(choice == text) for choice in self.choices]


@dataclass(frozen=True, slots=True)
class Space:
    """All ranges of a tuning job."""

    ranges: Sequence[Number | Category]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Space":
        """Read `ParameterRanges`.

        Raises:
            ServiceError: Naming the range that cannot be searched.
        """
        if document.get("AutoParameters"):
            raise unsupported("AutoParameters", "give the ranges of the hyperparameters")
        ranges: list[Number | Category] = [
            *(_number(item, False) for item in document.get("ContinuousParameterRanges") or []),
            *(_number(item, True) for item in document.get("IntegerParameterRanges") or []),
            *(
                Category(name=item["Name"], choices=list(item["Values"]))
                for item in document.get("CategoricalParameterRanges") or []
            ),
        ]
        if not ranges:
            raise validation("ParameterRanges must hold a range; a tuning job needs one to search")
        _unique([item.name for item in ranges], "ParameterRanges")
        for item in ranges:
            if isinstance(item, Category):
                _unique(item.choices, f"the values of '{item.name}'")
        return cls(ranges)

    @property
    def names(self) -> list[str]:
        """The hyperparameters."""
        return [item.name for item in self.ranges]

    @property
    def count(self) -> float:
        """How many combinations there are."""
        lists = [item.choices for item in self.ranges]
        return math.prod(math.inf if choices is None else len(choices) for choices in lists)

    def combinations(self) -> Iterator[Values]:
        """Every combination of a space that has a `count`."""
        choices = [item.choices or [] for item in self.ranges]
        for values in itertools.product(*choices):
            yield dict(zip(self.names, values, strict=True))

    def at(self, units: Iterable[float]) -> Values:
        """The combination at a point of the unit cube, a coordinate a range."""
        pairs = zip(self.ranges, units, strict=True)
        return {item.name: item.at(float(unit)) for item, unit in pairs}

    def encode(self, values: Mapping[str, str]) -> list[float] | None:
        """A combination as coordinates for a model; None if it lies outside."""
        parts = [item.encode(values.get(item.name, "")) for item in self.ranges]
        if any(part is None for part in parts):
            return None
        return [number for part in parts if part is not None for number in part]


def _number(item: Mapping[str, str], integer: bool) -> Number:
    name, scaling = item["Name"], item.get("ScalingType", "Auto")
    kind = int if integer else float
    try:
        low, high = float(kind(item["MinValue"])), float(kind(item["MaxValue"]))
    except ValueError as error:
        noun = "whole numbers" if integer else "numbers"
        raise validation(f"the ends of range '{name}' must be {noun}; {error}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise validation(
            f"MinValue of range '{name}' must be at most MaxValue, got {item['MinValue']} and "
            f"{item['MaxValue']}"
        )
    if scaling == "Logarithmic" and low <= 0:
        raise validation(
            f"MinValue of range '{name}' must be greater than 0 for Logarithmic scaling, got "
            f"{item['MinValue']}"
        )
    if scaling == "ReverseLogarithmic" and (integer or low < 0 or high >= 1):
        raise validation(
            f"range '{name}' must be continuous and within 0 <= x < 1 for ReverseLogarithmic "
            f"scaling, got {item['MinValue']} to {item['MaxValue']}"
        )
    if scaling == "Auto":
        scaling = "Logarithmic" if low > 0 and high / low >= _ORDERS else "Linear"
    return Number(name=name, low=low, high=high, integer=integer, scaling=scaling)


def _unique(names: Sequence[str], field: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise validation(f"{field} must be unique, got '{name}' twice")
