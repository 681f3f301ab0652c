"""CloudWatch's metric math, as far as alarms use it: arithmetic, comparisons and a few functions.

evaluate("100 * errors / FILL(calls, 0)", {"errors": [1.0], "calls": [4.0]})  # [25.0]
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

Series = list[float | None]
Value = float | Series

OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}

ELEMENTWISE: dict[str, Callable[..., float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}

AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda values: sum(values) / len(values),
}


class UnsupportedExpressionError(ValueError):
    """The expression is not one that the embedded CloudWatch knows."""


def evaluate(expression: str, series: Mapping[str, Series]) -> Series:
    """The values of an expression, one a period.

    Args:
        expression: CloudWatch's text, such as `IF(m1 > 5, m2, 0)`.
        series: Each metric's values by its ID, all of one length.

    Raises:
        UnsupportedExpressionError: If the expression has anything else than the above.
    """
    length = len(next(iter(series.values()), [None]))
    if "**" in expression:
        raise UnsupportedExpressionError(f"{expression!r}: a power is written a^b")
    try:
        tree = ast.parse(expression.replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise UnsupportedExpressionError(f"{expression!r} cannot be parsed") from error
    value = _Evaluation(series, length).of(tree)
    return value if isinstance(value, list) else [value] * length


class _Evaluation:
    def __init__(self, series: Mapping[str, Series], length: int) -> None:
        self._series = series
        self._length = length

    def of(self, node: ast.AST) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._series:
                return list(self._series[name])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._zip(operator.neg, self.of(operand))
            case ast.BinOp(left=left, op=kind, right=right) if type(kind) in OPERATORS:
                return self._zip(OPERATORS[type(kind)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[kind], comparators=[right]):
                return self._zip(OPERATORS[type(kind)], self.of(left), self.of(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.upper(), arguments)
        raise UnsupportedExpressionError(f"{ast.unparse(node)} is not supported metric math")

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "FILL":
            return self._fill(self.of(arguments[0]), arguments[1])
        if name == "IF":
            chosen = [self._list(self.of(argument)) for argument in arguments]
            otherwise = chosen[2] if len(chosen) > 2 else [None] * self._length  # noqa: PLR2004
            return [
                None if test is None else (yes if test else no)
                for test, yes, no in zip(chosen[0], chosen[1], otherwise, strict=True)
            ]
        if name in ELEMENTWISE:
            return self._zip(ELEMENTWISE[name], self.of(arguments[0]))
        if name in AGGREGATES:
            return self._aggregate(AGGREGATES[name], arguments)
        raise UnsupportedExpressionError(f"function {name} is not supported metric math")

    def _aggregate(self, function: Callable[[list[float]], float], nodes: list[ast.expr]) -> Value:
        """SUM([m1, m2]) is a series; SUM(m1) is one number."""
        if len(nodes) == 1 and isinstance(nodes[0], ast.List):
            columns = [self._list(self.of(node)) for node in nodes[0].elts]
            rows = [[v for v in row if v is not None] for row in zip(*columns, strict=True)]
            return [function(row) if row else None for row in rows]
        known = [value for value in self._list(self.of(nodes[0])) if value is not None]
        return function(known) if known else [None] * self._length

    def _fill(self, values: Value, how: ast.expr) -> Value:
        filled = self._list(values)
        if isinstance(how, ast.Name) and how.id.upper() == "REPEAT":
            last: float | None = None
            repeated: Series = []
            for value in filled:
                last = value if value is not None else last
                repeated.append(last)
            return repeated
        constant = self._list(self.of(how))
        return [c if value is None else value for value, c in zip(filled, constant, strict=True)]

    def _zip(self, function: Callable[..., Any], *operands: Value) -> Value:
        if all(isinstance(operand, float) for operand in operands):
            return float(function(*operands))
        rows = zip(*(self._list(operand) for operand in operands), strict=True)
        return [self._apply(function, row) for row in rows]

    @staticmethod
    def _apply(function: Callable[..., Any], row: tuple[float | None, ...]) -> float | None:
        if any(value is None for value in row):
            return None
        try:
            return float(function(*row))
        except (ZeroDivisionError, ValueError, OverflowError):
            return None  # CloudWatch gives no datapoint where a value is undefined

    def _list(self, value: Value) -> Series:
        return value if isinstance(value, list) else [value] * self._length
