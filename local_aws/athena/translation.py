"""Athena's SQL in DuckDB's dialect, with its tables replaced by relations over their files."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from local_aws.athena.catalog import get_table
from local_aws.athena.pruning import conditions
from local_aws.athena.sources import Workspace

UNNAMED = "_col_unnamed_"
_NAMED = (exp.Alias, exp.Column, exp.Dot, exp.Star)
_MOST_NESTED_VIEWS = 20


class InvalidStatementError(ValueError):
    """The statement is not SQL that Athena accepts."""


def parse(sql: str) -> exp.Expression:
    """The tree of one statement in Athena's dialect."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except SqlglotError as error:
        raise InvalidStatementError(f"SYNTAX_ERROR: {error}") from error
    if len(trees) != 1:
        raise InvalidStatementError("SYNTAX_ERROR: Only one sql statement is allowed")
    return trees[0]


def with_parameters(tree: exp.Expression, parameters: tuple[str, ...]) -> exp.Expression:
    """The statement with its question marks replaced by execution parameters, in order."""
    holes = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(holes) != len(parameters):
        raise InvalidStatementError(
            f"SYNTAX_ERROR: Incorrect number of parameters: expected {len(holes)} "
            f"but found {len(parameters)}"
        )
    for hole, text in zip(holes, parameters, strict=True):
        hole.replace(_constant(text))
    return tree


def _constant(text: str) -> exp.Expression:
    try:
        value = sqlglot.parse_one(text, read="athena")
    except SqlglotError:
        return exp.Literal.string(text)
    return exp.Literal.string(text) if isinstance(value, exp.Column) else value


def translate(tree: exp.Expression, workspace: Workspace, database: str, *, depth: int = 0) -> str:
    """DuckDB's text of a query.

    Args:
        tree: The query; it is changed.
        workspace: Where the tables that it reads are attached.
        database: The database of tables that are named without one.
        depth: How many views the query is inside of.
    """
    if depth == 0:
        _name_columns(tree)
    for scope in list(traverse_scope(tree)):
        for alias, source in list(scope.sources.items()):
            if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
                _replace(source, alias, scope, workspace, database, depth)
    return str(tree.sql(dialect="duckdb"))


def _replace(
    node: exp.Table, alias: str, scope: Scope, workspace: Workspace, database: str, depth: int
) -> None:
    name_in_query = alias or node.name
    table = get_table(node.db or database, node.name)
    if table.view is not None:
        if depth == _MOST_NESTED_VIEWS:
            raise InvalidStatementError(f"VIEW_IS_STALE: view {table.name} is recursive")
        query = translate(parse(table.view), workspace, table.database, depth=depth + 1)
        inner: exp.Expression = exp.Subquery(this=sqlglot.parse_one(query, read="duckdb"))
        inner.set("alias", exp.TableAlias(this=exp.to_identifier(name_in_query, quoted=True)))
    else:
        found = (
            conditions(scope.expression, name_in_query, table.key_names)
            if isinstance(scope.expression, exp.Select)
            else []
        )
        relation = exp.to_table(workspace.attach(table, found))
        inner = exp.alias_(relation, name_in_query, table=True, quoted=True)
    if node.args.get("alias") is not None and node.args["alias"].args.get("columns"):
        inner.args["alias"].set("columns", node.args["alias"].args["columns"])
    for key in ("joins", "laterals", "sample"):
        if node.args.get(key):
            inner.set(key, node.args[key])
    node.replace(inner)


def _name_columns(tree: exp.Expression) -> None:
    """Give the result's unnamed columns names that `final_names` turns into Athena's."""
    if not isinstance(tree, exp.Query):
        return
    query = tree
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for index, projection in enumerate(query.expressions):
        if not isinstance(projection, _NAMED):
            projection.replace(exp.alias_(projection.copy(), f"{UNNAMED}{index}"))


def final_names(names: list[str]) -> tuple[str, ...]:
    """A result's column names as Athena gives them: lower case, and _col0 for the unnamed."""
    return tuple(
        f"_col{index}" if name.startswith(UNNAMED) else name.lower()
        for index, name in enumerate(names)
    )
