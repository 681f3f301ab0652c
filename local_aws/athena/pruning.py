"""Conditions on partition columns, by which data is left unread."""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_MIRRORED = {"=": "=", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_INTEGERS = {"tinyint", "smallint", "int", "integer", "bigint"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a partition column's value must be: one of some values, or on a side of one."""

    column: str
    comparison: str
    values: tuple[str, ...]

    def holds(self, value: str, hive_type: str) -> bool:
        """Whether a partition's value may satisfy the condition; undecidable means it may."""
        kind: Callable[[str], Any] = int if hive_type.lower() in _INTEGERS else str
        try:
            mine, others = kind(value), [kind(other) for other in self.values]
        except ValueError:
            return True
        if self.comparison == "=":
            return mine in others
        return _OPERATORS[self.comparison](mine, others[0])


def conditions(select: exp.Select, alias: str, columns: Iterable[str]) -> list[Condition]:
    """The conditions on some columns of one of a query's tables.

    Only what the WHERE clause demands of every row counts: the terms of its outermost AND.

    Args:
        select: The query.
        alias: The table's name in it.
        columns: The table's partition columns.
    """
    where = select.args.get("where")
    if where is None:
        return []
    wanted = {column.lower() for column in columns}
    found = (
        condition
        for term in (where.this.flatten() if isinstance(where.this, exp.And) else [where.this])
        for condition in _of_term(term.unnest())
    )
    return [
        Condition(column.name.lower(), comparison, values)
        for column, comparison, values in found
        if column.name.lower() in wanted and column.table.lower() in ("", alias.lower())
    ]


def _of_term(term: exp.Expression) -> list[tuple[exp.Column, str, tuple[str, ...]]]:
    """The conditions that a term of the WHERE clause is; none if it is of another form."""
    sides: list[tuple[exp.Expression, str, list[exp.Expression]]] = []
    if isinstance(term, exp.Between):
        sides = [(term.this, ">=", [term.args["low"]]), (term.this, "<=", [term.args["high"]])]
    elif isinstance(term, exp.In):
        sides = [(term.this, "=", term.expressions)]
    elif type(term) in _COMPARISONS:
        comparison = _COMPARISONS[type(term)]
        if isinstance(term.expression, exp.Column):
            sides = [(term.expression, _MIRRORED[comparison], [term.this])]
        else:
            sides = [(term.this, comparison, [term.expression])]
    found = []
    for column, comparison, nodes in sides:
        values = tuple(value for node in nodes if (value := _literal(node)) is not None)
        if isinstance(column, exp.Column) and values and len(values) == len(nodes):
            found.append((column, comparison, values))
    return found


def _literal(node: exp.Expression) -> str | None:
    """The text of a constant: 'a', 7, or DATE '2018-04-01'."""
    if isinstance(node, exp.Literal):
        return str(node.this)
    if (
        isinstance(node, exp.Cast)
        and node.to.is_type("date")
        and isinstance(node.this, exp.Literal)
    ):
        return str(node.this.this)
    return None
