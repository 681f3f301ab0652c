"""Conditions of a pipeline's Condition steps."""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.sagemaker.pipelines.expressions import ExpressionError, Scope, resolve

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = (*_COMPARISONS, "In", "Not", "Or")


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Whether a condition is true.

    Raises:
        ExpressionError: If it compares what cannot be compared.
    """
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"], scope)
    if kind == "Or":
        return any(holds(item, scope) for item in condition["Conditions"])
    if kind == "In":
        value = resolve(condition["QueryValue"], scope)
        return any(_same(value, item) for item in resolve(condition["Values"], scope))
    left = resolve(condition["LeftValue"], scope)
    right = resolve(condition["RightValue"], scope)
    if kind == "Equals":
        return _same(left, right)
    if _is_number(left) != _is_number(right) or isinstance(left, bool) or isinstance(right, bool):
        raise ExpressionError(
            f"{kind} must compare two numbers or two strings, got {left!r} and {right!r}"
        )
    return bool(_COMPARISONS[kind](left, right))


def kinds(conditions: list[Any]) -> Iterator[str]:
    """The types of conditions, nested ones included."""
    for condition in conditions:
        yield str(condition.get("Type"))
        if condition.get("Type") == "Not":
            yield from kinds([condition["Condition"]])
        elif condition.get("Type") == "Or":
            yield from kinds(condition["Conditions"])


def _same(left: Any, right: Any) -> bool:
    # True must not equal 1, which it does in Python.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
