"""The declarations as tables of integers, which is what the compiled kernel reads.

Guarantees:
    Adding a feature changes these tables and no code: nothing is compiled anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import groupby

import numpy as np
import numpy.typing as npt

from pipeline_code.features.declarations import (
    Aggregation,
    Derivation,
    Entity,
    Feature,
    Formula,
    Operation,
    RequestValue,
    Source,
)
from pipeline_code.features.definitions import ALLOWED_LATENESS, FEATURES, LATEST_REPORT

__all__ = [
    "LEVELS",
    "OPERANDS",
    "TERMS",
    "WINDOW_FIELDS",
    "Plan",
    "microseconds",
    "plan_of",
]

Ints = npt.NDArray[np.int64]

# The hops, finest first; a state keeps what is old by the hour or the day.
LEVELS = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))
# Operands that every plan starts with, in this order.
OPERANDS = (RequestValue.AMOUNT, RequestValue.WEEKEND, RequestValue.NIGHT)
# At most so many factors above and below a feature's fraction bar.
TERMS = 4
# Columns of a table of windows; from COUNT on, where the operation goes, or -1.
WINDOW_FIELDS = ("hop", "back", "shift", "length", *Operation)
ABSENT = -1


def microseconds(duration: timedelta) -> int:
    """A duration as the kernel counts time."""
    return duration // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which operands a set of features is made of, and how.

    Attributes:
        features: What it is the plan of, in order.
        operands: What the request says, then aggregations; an index here is the operand's row.
        formulas: One row a feature: how many factors above and below the bar, then their operands.
    """

    features: tuple[Feature, ...]
    operands: tuple[RequestValue | Aggregation, ...]
    formulas: Ints
    _windows: dict[tuple[Entity, bool], Ints] = field(default_factory=dict)

    def windows(self, entity: Entity, *, reports: bool) -> Ints:
        """The table of windows over an entity's transactions or fraud reports."""
        if (entity, reports) not in self._windows:
            self._windows[entity, reports] = self._table(entity, reports=reports)
        return self._windows[entity, reports]

    def _table(self, entity: Entity, *, reports: bool) -> Ints:
        aggregations = [
            (index, operand)
            for index, operand in enumerate(self.operands)
            if isinstance(operand, Aggregation)
            and operand.entity == entity
            and (operand.source is Source.REPORTS) is reports
        ]
        ordered = sorted(aggregations, key=lambda each: _span(each[1]))
        groups = groupby(ordered, lambda each: _span(each[1]))
        rows = [_window(list(group)) for _, group in groups]
        return np.array(rows, np.int64).reshape(-1, len(WINDOW_FIELDS))

    def indices(self, entity: Entity) -> Ints:
        """Where the entity's aggregations are among the operands."""
        return np.array([self.operands.index(each) for each in self.aggregations(entity)], np.int64)

    def aggregations(self, entity: Entity) -> list[Aggregation]:
        """The entity's aggregations, in the order of the operands."""
        return [
            operand
            for operand in self.operands
            if isinstance(operand, Aggregation) and operand.entity == entity
        ]

    def keeps(self, entity: Entity, *, reports: bool) -> bool:
        """Whether the entity's transactions or fraud reports matter at all."""
        return len(self.windows(entity, reports=reports)) > 0

    def schedule(self, entity: Entity, *, reports: bool) -> Ints:
        """Up to which age a state must keep an entity's events by each of LEVELS, rising.

        Past the last age they are forgotten. An event that a window's edge has still to pass is
        stored at least as finely as that edge moves. A report is kept until no other one of its
        transaction can come.
        """
        edges = [
            edge
            for aggregation in self.aggregations(entity)
            if (aggregation.source is Source.REPORTS) is reports
            for edge in _edges(aggregation)
        ]
        ages = [
            max((age + ALLOWED_LATENESS for age, hop in edges if hop <= level), default=timedelta())
            for level in LEVELS
        ]
        if reports:
            ages[-1] += LATEST_REPORT
        return np.array([microseconds(age) for age in ages], np.int64)


@cache
def plan_of(features: tuple[Feature, ...] = FEATURES) -> Plan:
    """The plan of some features; of all if omitted."""
    aggregations = dict.fromkeys(each for feature in features for each in feature.aggregations)
    operands: tuple[RequestValue | Aggregation, ...] = (*OPERANDS, *aggregations)
    indices = {operand: index for index, operand in enumerate(operands)}
    rows = []
    for feature in features:
        above, below = _fraction(feature.formula)
        if max(len(above), len(below)) > TERMS:
            raise ValueError(f"{feature.name} must have at most {TERMS} factors, got more")
        rows.append([len(above), len(below), *_padded(above, indices), *_padded(below, indices)])
    return Plan(features, operands, np.array(rows, np.int64))


def _fraction(
    formula: Formula,
) -> tuple[list[RequestValue | Aggregation], list[RequestValue | Aggregation]]:
    """The factors above and below the bar when nested ratios are multiplied out."""
    if not isinstance(formula, Derivation):
        return [formula], []
    above, below = _fraction(formula.dividend)
    divisor_above, divisor_below = _fraction(formula.divisor)
    return above + divisor_below, below + divisor_above


def _padded(
    terms: Sequence[RequestValue | Aggregation], indices: dict[RequestValue | Aggregation, int]
) -> list[int]:
    return [indices[term] for term in terms] + [ABSENT] * (TERMS - len(terms))


def _span(aggregation: Aggregation) -> tuple[timedelta, timedelta]:
    return aggregation.window.length, aggregation.age


def _window(aggregations: list[tuple[int, Aggregation]]) -> list[int]:
    """One row of a table: all operations over one span."""
    _, first = aggregations[0]
    length, age = _span(first)
    goes_to = {aggregation.operation: index for index, aggregation in aggregations}
    return [
        LEVELS.index(first.window.hop),
        microseconds(length + age),
        microseconds(age),
        microseconds(length),
        *(goes_to.get(operation, ABSENT) for operation in Operation),
    ]


def _edges(aggregation: Aggregation) -> list[tuple[timedelta, timedelta]]:
    """The edges that an event passes: at most how old it is then, and their hop."""
    age, window = aggregation.age, aggregation.window
    tail = [(age + window.length + window.hop, window.hop)]
    return tail + ([(age + LEVELS[1], LEVELS[1])] if age else [])
