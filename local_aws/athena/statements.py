"""Executes one statement, of whatever kind."""

import re

import duckdb
from sqlglot import exp

from local_aws.adapter import glue, queries
from local_aws.adapter.queries import Query, Result
from local_aws.athena import metadata, results, writing
from local_aws.athena.catalog import view_text
from local_aws.athena.sources import Workspace
from local_aws.athena.translation import (
    InvalidStatementError,
    parse,
    translate,
    with_parameters,
)
from local_aws.athena.types import hive_type

_EXECUTE = re.compile(r"execute\s+(\w+)(?:\s+using\s+(.*))?", re.I | re.S)
_EXPLAIN = re.compile(r"explain\s+(?:analyze\s+)?(?:\([^)]*\)\s*)?(.*)", re.I | re.S)


def execute(query: Query) -> Result:
    """Execute a statement and write its result file.

    Raises:
        ValueError: With Athena's reason, if it cannot be executed.
        QueryCancelledError: If it would read more than the workgroup allows.
    """
    sql = _without_comments(query.sql)
    with Workspace(query.scan_limit) as workspace:
        try:
            result = _execute(query, sql, workspace)
        except duckdb.BinderException as error:
            raise InvalidStatementError(f"COLUMN_NOT_FOUND or TYPE_MISMATCH: {error}") from error
        except duckdb.Error as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
    results.write_file(query, result)
    return result


def _execute(query: Query, sql: str, workspace: Workspace) -> Result:
    # "Mandatory: Access policy to the Default database and catalog per AWS Region" (Athena User
    # Guide, "Fine-grained access ...").
    glue.check("GetDatabase", "database/default")
    answered = metadata.execute(query, sql) or writing.unload(query, sql, workspace)
    if answered is not None:
        return answered
    parameters = query.parameters
    prepared = _EXECUTE.fullmatch(sql)
    if prepared is not None:
        sql, parameters = _prepared(query, prepared)
    explained = _EXPLAIN.fullmatch(sql)
    tree = with_parameters(parse(sql if explained is None else explained[1]), parameters)
    if explained is not None:
        plan = workspace.database.execute(f"explain {translate(tree, workspace, query.database)}")
        return results.listing(["Query Plan"], [[row[1]] for row in plan.fetchall()])
    match tree:
        case exp.Create(kind="TABLE", expression=exp.Expression()):
            return writing.create_table_as(query, tree, workspace)
        case exp.Create(kind="VIEW"):
            return _create_view(query, tree, workspace)
        case exp.Insert():
            return writing.insert(query, tree, workspace)
        case exp.Query() | exp.Values():
            cursor = workspace.database.execute(translate(tree, workspace, query.database))
            return results.answer(cursor, workspace.scanned)
    raise InvalidStatementError(
        f"NOT_SUPPORTED: the embedded Athena does not execute {sql.split()[0].upper()} statements"
    )


def _create_view(query: Query, tree: exp.Create, workspace: Workspace) -> Result:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    database = target.db or query.database
    name = target.name.lower()
    if glue.get_table(database, name) is not None and not tree.args.get("replace"):
        raise ValueError(f"TABLE_ALREADY_EXISTS: View '{database}.{name}' already exists")
    text = tree.expression.sql(dialect="athena")
    select = translate(tree.expression, workspace, query.database)
    described = workspace.database.execute(f"describe {select}").fetchall()
    glue.put_table(
        database,
        {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": view_text(text, database),
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": r[0].lower(), "Type": hive_type(r[1])} for r in described],
                "SerdeInfo": {},
            },
        },
    )
    return Result()


def _prepared(query: Query, matched: "re.Match[str]") -> tuple[str, tuple[str, ...]]:
    """The text and parameters that EXECUTE stands for."""
    sql = queries.prepared_statement(query.workgroup, matched[1])
    if sql is None:
        raise InvalidStatementError(f"NOT_FOUND: Prepared statement not found: {matched[1]}")
    if matched[2] is None:
        return sql, query.parameters
    listed = parse(f"select {matched[2]}")
    return sql, tuple(value.sql(dialect="athena") for value in listed.expressions)


def _without_comments(sql: str) -> str:
    """The statement without the comments before it and the semicolon after it."""
    text = sql.strip()
    while text.startswith(("--", "/*")):
        end = "\n" if text.startswith("--") else "*/"
        text = text.partition(end)[2].strip()
    return text.rstrip(";").strip()
