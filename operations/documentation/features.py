"""The table of features in the documentation, generated from their definitions."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from operations.documentation.pages import markdown_table
from pipeline_code.features.declarations import (
    Aggregation,
    Derivation,
    Formula,
    Operation,
    RequestValue,
)
from pipeline_code.features.definitions import FEATURES, Feature

__all__ = ["feature_table"]

_COLUMNS = ("feature", "unit", "entity", "source", "aggregation", "window", "shift", "hop")
_OPERATIONS = {
    Operation.COUNT: "count",
    Operation.SUM: "sum",
    Operation.MAX: "max",
    Operation.SINCE_LAST: "since last",
    Operation.AGE: "age",
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
        _each(parts, lambda each: each.source.value),
        _text(feature.formula),
        _each(parts, lambda each: _duration(each.window.length)),
        _each(parts, lambda each: _duration(each.window.shift)),
        _each(parts, lambda each: _duration(each.window.hop)),
    )


def _parts(formula: Formula) -> Iterator[RequestValue | Aggregation]:
    """The formula's terms from left to right."""
    if isinstance(formula, Derivation):
        yield from _parts(formula.dividend)
        yield from _parts(formula.divisor)
    else:
        yield formula


def _each(parts: Sequence[RequestValue | Aggregation], tell: Callable[[Aggregation], str]) -> str:
    """What there is to say of each aggregation; once, if it is the same of all."""
    told = [tell(part) for part in parts if isinstance(part, Aggregation)]
    return " / ".join(dict.fromkeys(told))


def _owner(part: RequestValue | Aggregation) -> str:
    return part.entity.name if isinstance(part, Aggregation) else "request"


def _text(formula: Formula) -> str:
    if isinstance(formula, Derivation):
        divisor = _text(formula.divisor)
        nested = isinstance(formula.divisor, Derivation)
        return f"{_text(formula.dividend)} / {f'({divisor})' if nested else divisor}"
    return _OPERATIONS[formula.operation] if isinstance(formula, Aggregation) else formula.value


def _duration(length: timedelta) -> str:
    if not length:
        return "0"
    unit, name = next((unit, name) for unit, name in _UNITS if length >= unit)
    return f"{length / unit:g} {name}"
