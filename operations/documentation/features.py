"""The table of features in the documentation, generated from their definitions."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from operations.documentation.pages import markdown_table
from pipeline_code.features.declarations import (
    Aggregate,
    Formula,
    Quotient,
    Request,
    Total,
)
from pipeline_code.features.definitions import FEATURES, Feature

__all__ = ["feature_table"]

_COLUMNS = ("feature", "unit", "entity", "stream", "aggregate", "window", "shift", "hop")
_AGGREGATES = {
    Aggregate.COUNT: "count",
    Aggregate.SUM: "sum",
    Aggregate.MAX: "max",
    Aggregate.SINCE_LAST: "since last",
    Aggregate.AGE: "age",
}
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def feature_table() -> str:
    """Every feature as a row of Markdown, in the order of the vector."""
    rows = [_row(feature) for feature in FEATURES]
    return markdown_table([_COLUMNS, *rows])


def _row(feature: Feature) -> Sequence[str]:
    parts = list(_parts(feature.formula))
    return (
        f"`{feature.name}`",
        feature.unit,
        ", ".join(dict.fromkeys(_owner(part) for part in parts)),
        _each(parts, lambda total: total.stream.value),
        _text(feature.formula),
        _each(parts, lambda total: _duration(total.window.length)),
        _each(parts, lambda total: _duration(total.window.shift)),
        _each(parts, lambda total: _duration(total.window.hop)),
    )


def _parts(formula: Formula) -> Iterator[Request | Total]:
    """The formula's terms from left to right."""
    if isinstance(formula, Quotient):
        yield from _parts(formula.dividend)
        yield from _parts(formula.divisor)
    else:
        yield formula


def _each(parts: Sequence[Request | Total], tell: Callable[[Total], str]) -> str:
    """What is told of each total; once, if it is the same of all."""
    told = [tell(part) for part in parts if isinstance(part, Total)]
    return " / ".join(dict.fromkeys(told))


def _owner(part: Request | Total) -> str:
    return part.entity.name if isinstance(part, Total) else "request"


def _text(formula: Formula) -> str:
    if isinstance(formula, Quotient):
        divisor = _text(formula.divisor)
        nested = isinstance(formula.divisor, Quotient)
        return f"{_text(formula.dividend)} / {f'({divisor})' if nested else divisor}"
    return _AGGREGATES[formula.aggregate] if isinstance(formula, Total) else formula.value


def _duration(length: timedelta) -> str:
    if not length:
        return "0"
    unit, name = next((unit, name) for unit, name in _UNITS if length >= unit)
    return f"{length / unit:g} {name}"
